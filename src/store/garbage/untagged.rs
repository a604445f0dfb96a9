//! Which manifests of a repository nothing names: no tag, no bundle, and no other manifest that is kept.
//!
//! Pushing an image under a tag that another one had leaves the other one untagged. It can still be pulled
//! by its digest, so it goes only when somebody asks for it.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::super::directory::{self, REFERRERS};
use super::super::document::Document;
use super::super::{Store, files, lookup};
use super::{Key, key};
use crate::error::Result;
use crate::oci::digest::ContentDigest;

impl Store {
    /// The manifests of the repository in `directory` that nothing names, besides `brought`, what bundles
    /// have brought. Whether they are young is not asked.
    ///
    /// A manifest is kept by an index that lists it and by what refers to it, and keeps all that refers to it:
    /// signatures stay with their image. If one that is kept cannot be read, it is not known what it keeps,
    /// and everything is kept.
    pub(super) fn untagged(
        &self,
        directory: &Path,
        brought: &HashSet<Key>,
    ) -> Result<BTreeSet<ContentDigest>> {
        let tagged: BTreeSet<ContentDigest> = self.tagged(directory)?.into_iter().collect();
        let is_kept = |digest: &ContentDigest| tagged.contains(digest) || brought.contains(&key(digest));
        let (mut kept, untagged): (Vec<_>, Vec<_>) =
            lookup::manifests_of(directory)?.into_iter().partition(is_kept);
        let mut untagged: BTreeSet<ContentDigest> = untagged.into_iter().collect();
        while let Some(digest) = kept.pop().filter(|_| !untagged.is_empty()) {
            let Some(named) = self.named_by(directory, &digest)? else { return Ok(BTreeSet::new()) };
            kept.extend(named.into_iter().filter(|digest| untagged.remove(digest)));
        }
        Ok(untagged)
    }

    /// What a manifest lists and refers to, and what refers to it; nothing if it cannot be read.
    fn named_by(&self, directory: &Path, digest: &ContentDigest) -> Result<Option<Vec<ContentDigest>>> {
        let Ok(Some(bytes)) = self.read_document(digest) else { return Ok(None) };
        let Ok(document) = Document::parse(&bytes, "") else { return Ok(None) };
        let mut named: Vec<_> = document.children().chain(document.subject).collect();
        let path = directory.join(REFERRERS).join(directory::dashed(digest));
        let referrers = files::names(&path).map_err(|error| files::failed(&path, error))?;
        named.extend(referrers.iter().filter_map(|name| directory::undashed(name)));
        Ok(Some(named))
    }
}
