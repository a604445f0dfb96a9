//! What a registry serves, wherever it lies: a [`Store`](super::Store), a bundle that is read in place, or
//! one over the other.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::name::{RepositoryName, TagName};
use crate::error::Result;
use crate::oci::digest::ContentDigest;

/// A manifest or index: exactly the bytes that were pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The media type it was pushed with.
    pub media_type: String,
    /// The bytes; they have the digest that was asked for.
    pub bytes: Vec<u8>,
}

/// A part of a sorted list of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The names, sorted by their bytes.
    pub names: Vec<String>,
    /// Whether there are more behind them.
    pub more: bool,
}

impl Page {
    /// The first `limit` of `names` behind `after`.
    pub(super) fn cut(mut names: Vec<String>, after: Option<&str>, limit: usize) -> Page {
        names.retain(|name| after.is_none_or(|after| name.as_str() > after));
        names.sort_unstable();
        names.dedup();
        let more = names.len() > limit;
        names.truncate(limit);
        Page { names, more }
    }
}

/// The name of some content as it stands in an index (OCI image-spec, "Descriptor").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of content it is.
    pub media_type: String,
    /// Its digest.
    pub digest: ContentDigest,
    /// Its number of bytes.
    pub size: u64,
    /// What kind of artifact it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations of the manifest it names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Something that a registry serves. All functions may block on the disk; none changes what is served.
pub trait Content: Send + Sync {
    /// Which manifest a tag names.
    fn tag(&self, repository: &RepositoryName, tag: &TagName) -> Result<Option<ContentDigest>>;

    /// A manifest, if the repository has it.
    ///
    /// # Errors
    /// `E0638` if its bytes are damaged.
    fn manifest(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Manifest>>;

    /// A blob, if the repository has it; manifests are blobs as well.
    fn blob_of(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Blob>>;

    /// A blob, whoever has it.
    fn blob(&self, digest: &ContentDigest) -> Result<Option<Blob>>;

    /// The tags of a repository behind `after`; nothing if the repository does not exist.
    fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Option<Page>>;

    /// What refers to a manifest, sorted by digest. The manifest itself need not exist.
    fn referrers(&self, repository: &RepositoryName, subject: &ContentDigest) -> Result<Vec<Descriptor>>;

    /// Whether the repository exists.
    fn has_repository(&self, repository: &RepositoryName) -> Result<bool>;

    /// The hosts that have repositories; none stands for repositories without host.
    fn hosts(&self) -> Result<Vec<Option<String>>>;

    /// All repositories behind `after`, as they are printed.
    fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page>;

    /// Calls `take` for every blob there is, until it breaks. What comes or goes meanwhile may be left out.
    fn each_blob(&self, take: &mut dyn FnMut(ContentDigest) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let _ = take;
        Ok(ControlFlow::Continue(()))
    }

    /// Who needs a blob: artifacts of bundles, as `BUNDLE: ARTIFACT`, and repositories.
    fn users_of(&self, digest: &ContentDigest) -> Result<Vec<String>> {
        let _ = digest;
        Ok(Vec::new())
    }

    /// The repositories that a client may mean who names a path and no host: the one without host, one
    /// whose host is the first part of the path, or else every one with that path. Exactly one is an
    /// answer, several are ambiguous.
    fn resolve_name(&self, path: &str) -> Result<Vec<RepositoryName>> {
        let in_path =
            path.split_once('/').and_then(|(host, path)| RepositoryName::new(Some(host), path).ok());
        let exact = [RepositoryName::new(None, path).ok(), in_path];
        for name in exact.into_iter().flatten() {
            if self.has_repository(&name)? {
                return Ok(vec![name]);
            }
        }
        let mut found = Vec::new();
        for host in self.hosts()?.into_iter().flatten() {
            let Ok(name) = RepositoryName::new(Some(&host), path) else { continue };
            if self.has_repository(&name)? {
                found.push(name);
            }
        }
        Ok(found)
    }
}
