//! Every image in registries of others, byte by byte: its manifests, and its layers if that is wanted.

use super::{Depth, Finding, Part};
use crate::bundle::manifest::Image;
use crate::error::Result;
use crate::node::install::Context;
use crate::node::registry::endpoint::Endpoint;
use crate::node::registry::images::Images;
use crate::node::registry::peer::Peer;
use crate::oci::digest::Digest;
use crate::oci::document::{self, Document};
use crate::oci::reference::Reference;
use crate::progress::{Event, Progress, Stage};

/// Asks for all images that this node can run. One registry that has an image whole is enough.
pub(super) fn part(context: &Context, depth: Depth, progress: &dyn Progress) -> Part {
    progress.event(Event::Started { stage: Stage::Fetch, bytes: None });
    let mut part = Part::new("images", "image");
    let asked = context.images().and_then(|images| Ok((peers(&images, context)?, images)));
    match asked {
        Err(error) => part.findings.push(Finding::failed("the registries of the images", &error)),
        Ok((peers, images)) => {
            part.checked = images.images.len() as u64;
            let mut look = Look { images: &images, depth, progress, bytes: 0 };
            part.findings.extend(images.images.iter().filter_map(|image| look.image(&peers, image)));
            part.bytes = Some(look.bytes);
        }
    }
    progress.event(Event::Finished { stage: Stage::Fetch });
    part
}

fn peers(images: &Images, context: &Context) -> Result<Vec<Peer>> {
    let authority = match &images.authority {
        Some(authority) => authority.read(&context.machine)?,
        None => None,
    };
    let peer = |endpoint: &Endpoint| Peer::of(endpoint, authority.as_deref(), &images.network);
    images.endpoints.iter().map(peer).collect()
}

/// What all images share.
struct Look<'a> {
    images: &'a Images,
    depth: Depth,
    progress: &'a dyn Progress,
    bytes: u64,
}

impl Look<'_> {
    fn image(&mut self, peers: &[Peer], image: &Image) -> Option<Finding> {
        let mut told = Vec::new();
        let mut unreadable = true;
        for peer in peers {
            match self.at(peer, image) {
                Ok(None) => return None,
                Ok(Some(why)) => {
                    unreadable = false;
                    told.push(format!("{}: {why}", peer.address()));
                }
                Err(error) => told.push(format!("{}: {}", peer.address(), error.message())),
            }
        }
        let repair = "on the node that serves it: `airlock node repair`; a registry of the site gets it again \
                      by `airlock install`";
        Some(Finding { unreadable, ..Finding::new(image.name.clone(), told.join("; "), repair) })
    }

    /// Why an image is not whole at a registry.
    fn at(&mut self, peer: &Peer, image: &Image) -> Result<Option<String>> {
        let name: Reference = image.name.parse()?;
        match peer.resolve(&name)? {
            Some(digest) if digest == image.root.digest => {}
            Some(digest) if self.images.leads_to(peer, &name, digest, image)? => {}
            Some(digest) => return Ok(Some(format!("it has {digest}, the bundle {}", image.root.digest))),
            None => return Ok(Some("it does not have the image".to_owned())),
        }
        let own = image.platforms.iter().filter(|entry| entry.platform == self.images.platform);
        for manifest in own.map(|entry| entry.manifest) {
            let Some(bytes) = peer.manifest(&name, manifest)? else {
                return Ok(Some(format!("manifest {manifest} is missing or damaged")));
            };
            self.bytes += bytes.len() as u64;
            let Document::Image(document) = document::parse(&bytes, None)? else { continue };
            for part in std::iter::once(&document.config).chain(&document.layers) {
                if let Some(why) = self.blob(peer, &name, part.digest, part.size)? {
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }

    fn blob(&mut self, peer: &Peer, name: &Reference, digest: Digest, size: u64) -> Result<Option<String>> {
        if self.depth < Depth::Deep {
            let has = peer.has_blob(name, digest, size)?;
            return Ok((!has).then(|| format!("blob {digest} is missing")));
        }
        let is_right = match peer.check_blob(name, digest, size, self.progress) {
            // A registry that still answers breaks off because of what it reads: it hashes as well.
            Err(error) if peer.has_blob(name, digest, size).is_ok() => {
                return Ok(Some(format!("blob {digest} cannot be fetched: {}", error.message())));
            }
            checked => checked?,
        };
        self.bytes += size;
        Ok((!is_right).then(|| format!("blob {digest} is damaged")))
    }
}
