//! Whether every image that this node may need can be pulled, before anything waits for one.

use std::collections::HashSet;
use std::time::Duration;

use super::authority::Authority;
use super::endpoint::Endpoint;
use super::peer::{Network, Peer};
use crate::bundle::manifest::{Artifact, Image, Manifest};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::oci::digest::Digest;
use crate::oci::document::{self, Document};
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::quote::escape;

/// A large bundle has some thousand blobs, and each is one small request.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// Most missing things that are named.
const NAMED: usize = 20;

/// The step that asks for all images of a bundle.
pub struct Images {
    /// Images that there are for the platform of the node.
    pub images: Vec<Image>,
    /// The platform of the node.
    pub platform: Platform,
    /// The registries that containerd asks, in its order: one that has everything is enough.
    pub endpoints: Vec<Endpoint>,
    /// What they are trusted by.
    pub authority: Option<Authority>,
    /// Asks.
    pub network: Network,
}

impl Images {
    /// The images of a bundle that this platform can run.
    pub fn of(manifest: &Manifest, platform: Platform) -> Vec<Image> {
        let images = manifest.artifacts.iter().filter_map(|artifact| match artifact {
            Artifact::Image(image) => Some(image),
            _ => None,
        });
        images
            .filter(|image| image.platforms.iter().any(|entry| entry.platform == platform))
            .cloned()
            .collect()
    }

    /// What cannot be pulled from any of the registries, as the last of them tells it.
    fn missing(&self, machine: &Machine) -> Result<Vec<String>> {
        let authority = match &self.authority {
            Some(authority) => authority.read(machine)?,
            None => None,
        };
        let mut missing: Vec<&Image> = self.images.iter().collect();
        let mut told = Vec::new();
        for endpoint in &self.endpoints {
            let peer = Peer::of(endpoint, authority.as_deref(), &self.network)?;
            match self.missing_at(&peer, &missing) {
                Ok(left) => (missing, told) = left.into_iter().unzip(),
                // One line for all of them, and the others are asked.
                Err(error) => told = vec![format!("{endpoint}: {}", error.message())],
            }
            if missing.is_empty() {
                return Ok(Vec::new());
            }
        }
        Ok(told)
    }

    /// Which of `images` a registry lacks, and what of them.
    fn missing_at<'a>(&self, peer: &Peer, images: &[&'a Image]) -> Result<Vec<(&'a Image, String)>> {
        let (mut known, mut left) = (HashSet::new(), Vec::new());
        for image in images {
            if let Some(why) = self.why_not(peer, image, &mut known)? {
                left.push((*image, format!("{}: {why}", image.name)));
            }
        }
        Ok(left)
    }

    /// Why an image cannot be pulled from a registry, asked as containerd does; `known` are blobs that are there.
    fn why_not(
        &self,
        peer: &Peer,
        image: &Image,
        known: &mut HashSet<(String, Digest)>,
    ) -> Result<Option<String>> {
        let name: Reference = image.name.parse()?;
        match peer.resolve(&name)? {
            None => return Ok(Some("the registry does not have it".to_owned())),
            Some(digest) if digest != image.root.digest && !self.leads_to(peer, &name, digest, image)? => {
                return Ok(Some(format!("the registry has {digest}, the bundle {}", image.root.digest)));
            }
            Some(_) => {}
        }
        let own = image.platforms.iter().filter(|entry| entry.platform == self.platform);
        for manifest in own.map(|entry| entry.manifest) {
            let Some(bytes) = peer.manifest(&name, manifest)? else {
                return Ok(Some(format!("manifest {manifest} is missing or damaged")));
            };
            let Document::Image(document) = document::parse(&bytes, None)? else { continue };
            for part in std::iter::once(&document.config).chain(&document.layers) {
                let is_new = known.insert((name.name(), part.digest));
                if is_new && !peer.has_blob(&name, part.digest, part.size)? {
                    return Ok(Some(format!("blob {} is missing", part.digest)));
                }
            }
        }
        Ok(None)
    }
}

impl Images {
    /// Whether what a registry of a site has under the tag of an image is the same for this platform. Some of them
    /// take no index of which other platforms are missing, and got those that there are.
    pub(in crate::node) fn leads_to(
        &self,
        peer: &Peer,
        name: &Reference,
        found: Digest,
        image: &Image,
    ) -> Result<bool> {
        if !peer.is_of_site() || name.digest().is_some() {
            return Ok(false);
        }
        let own = image.platforms.iter().filter(|entry| entry.platform == self.platform);
        let own: Vec<Digest> = own.map(|entry| entry.manifest).collect();
        if own.contains(&found) {
            return Ok(true);
        }
        let Some(bytes) = peer.manifest(name, found)? else { return Ok(false) };
        let Document::Index(index) = document::parse(&bytes, None)? else { return Ok(false) };
        let chosen = index.entries.iter().find(|entry| entry.is_for(self.platform));
        Ok(chosen.is_some_and(|entry| own.contains(&entry.descriptor.digest)))
    }
}

impl Step for Images {
    fn name(&self) -> &'static str {
        names::IMAGES
    }

    fn title(&self) -> String {
        format!("Check that {} images can be pulled", self.images.len())
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let missing = self.missing(machine)?;
        let wait = |what: String| Change::new(Verb::Wait, "images").with_detail(what);
        Ok(missing.into_iter().take(NAMED).map(wait).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let missing = self.missing(work.machine())?;
        if missing.is_empty() {
            return Ok(Outcome::Done);
        }
        let message =
            format!("{} of {} images cannot be pulled by this node", missing.len(), self.images.len());
        let error = Error::new(codes::IMAGES_MISSING, message).with_help(match self.authority {
            Some(Authority::Own { .. }) => {
                "see what the registry says, `journalctl -u airlock-registry`; `airlock store repair --from BUNDLE` \
                 brings what it lacks"
            }
            _ => {
                "see that the registry runs and has what is named; \
                 `airlock bundle extract BUNDLE --image IMAGE --output DIR` and `skopeo copy oci:DIR docker://REGISTRY/…` \
                 bring an image there"
            }
        });
        Err(missing.iter().take(NAMED).fold(error, |error, line| error.with_detail(escape(line))))
    }
}
