//! What an image is made of, in the order in which a registry takes it: blobs, manifests from the leaves to the root,
//! tags.

use std::collections::HashSet;
use std::sync::Arc;

use super::reduced;
use super::source::Source;
use crate::bundle::manifest::{Blob, Image};
use crate::error::Result;
use crate::oci::digest::Digest;
use crate::oci::document::{self, Document as Parsed, MAX_SIZE};
use crate::oci::reference::Reference;

/// A manifest or index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its media type, exactly as it has to be served.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// An index some of whose manifests are not there: those of other platforms. Not every registry takes it.
    pub is_sparse: bool,
    /// Its bytes, if they were made here; otherwise the source has them.
    pub(super) made: Option<Arc<[u8]>>,
}

/// An image with everything that belongs to it.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Its name in the cluster.
    pub name: Reference,
    /// The manifest or index that the name stands for.
    pub root: Digest,
    /// Configurations and layers, each once.
    pub blobs: Vec<Blob>,
    /// Every manifest, those that it mentions before it.
    pub documents: Vec<Document>,
    /// Tags and what they stand for, that of the image last.
    pub tags: Vec<(String, Document)>,
    /// What the image is pushed as where sparse indexes are refused.
    pub(super) reduced: Option<Document>,
}

impl Tree {
    /// An image of a bundle, whose blobs `source` has. Reads its manifests.
    ///
    /// # Errors
    /// Those of `source`; [`OCI_DOCUMENT`](crate::error::codes::OCI_DOCUMENT) for manifests that cannot be understood.
    pub fn of(image: &Image, source: &dyn Source) -> Result<Tree> {
        let name: Reference = image.name.parse()?;
        let carried = image.blobs.iter().copied().collect();
        let mut walk =
            Walk { source, carried, seen: HashSet::new(), blobs: Vec::new(), documents: Vec::new() };
        walk.document(image.root.digest, &image.root.media_type)?;
        for referrer in &image.referrers {
            walk.document(referrer.descriptor.digest, &referrer.descriptor.media_type)?;
        }
        let of_referrers =
            image.referrers.iter().filter_map(|other| Some((other.tag.clone()?, other.descriptor.digest)));
        let own = name.tag().map(|tag| (tag.to_owned(), image.root.digest));
        let document = |digest| walk.documents.iter().find(|document| document.digest == digest).cloned();
        let tags =
            of_referrers.chain(own).filter_map(|(tag, digest)| Some((tag, document(digest)?))).collect();
        let is_sparse = walk.documents.iter().any(|document| document.is_sparse);
        let reduced = match is_sparse && name.tag().is_some() {
            true => reduced::of(image, &walk.carried, source)?,
            false => None,
        };
        let Walk { blobs, documents, .. } = walk;
        Ok(Tree { name, root: image.root.digest, blobs, documents, tags, reduced })
    }
}

struct Walk<'a> {
    source: &'a dyn Source,
    carried: HashSet<Digest>,
    seen: HashSet<Digest>,
    blobs: Vec<Blob>,
    documents: Vec<Document>,
}

impl Walk<'_> {
    /// A manifest behind all that it mentions; whether something below it is not there. Documents name each other by
    /// digests, so that there is no circle.
    fn document(&mut self, digest: Digest, media_type: &str) -> Result<bool> {
        if !self.seen.insert(digest) {
            let known = self.documents.iter().find(|document| document.digest == digest);
            return Ok(known.is_some_and(|document| document.is_sparse));
        }
        let bytes = self.source.document(digest, MAX_SIZE)?;
        let mut is_sparse = false;
        match document::parse(&bytes, Some(media_type))? {
            Parsed::Index(index) => {
                for entry in &index.entries {
                    let descriptor = &entry.descriptor;
                    let is_carried = self.carried.contains(&descriptor.digest);
                    is_sparse |= !is_carried || self.document(descriptor.digest, &descriptor.media_type)?;
                }
            }
            Parsed::Image(image) => {
                for part in std::iter::once(&image.config).chain(&image.layers) {
                    if self.seen.insert(part.digest) {
                        self.blobs.push(Blob { digest: part.digest, size: part.size });
                    }
                }
            }
        }
        let media_type = media_type.to_owned();
        self.documents.push(Document { media_type, digest, is_sparse, made: None });
        Ok(is_sparse)
    }
}
