//! A bundle that is served as it lies, and one content over another.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::blob::Blob;
use super::catalogue::{Catalogue, Repository};
use super::content::{Content, Descriptor, Manifest, Page};
use super::document;
use super::name::{RepositoryName, TagName};
use super::verified::Verified;
use crate::bundle::manifest::Artifact;
use crate::bundle::{self, Bundle, names};
use crate::error::Result;
use crate::oci::digest::ContentDigest;

/// The images of a verified bundle, read from its volumes where they are asked for. Nothing is copied; the
/// names are worked out once, from the documents of its images.
pub struct BundleContent {
    bundle: Arc<Bundle<bundle::Verified>>,
    repositories: BTreeMap<RepositoryName, Repository>,
    verified: Arc<Verified>,
}

impl BundleContent {
    /// Reads the manifests of all images of the bundle, and none of their layers.
    ///
    /// # Errors
    /// Those of reading from a bundle.
    pub fn new(bundle: Bundle<bundle::Verified>) -> Result<BundleContent> {
        let catalogue =
            Catalogue::new(bundle.manifest(), &|digest| bundle.read_blob(digest, document::MAX_SIZE))?;
        let repositories = catalogue.repositories.into_iter();
        let repositories = repositories.filter_map(|repository| Some((repository.name()?, repository)));
        Ok(BundleContent {
            repositories: repositories.collect(),
            bundle: Arc::new(bundle),
            verified: Arc::default(),
        })
    }

    /// The bundle.
    pub fn bundle(&self) -> &Arc<Bundle<bundle::Verified>> {
        &self.bundle
    }

    fn get(&self, name: &RepositoryName) -> Option<&Repository> {
        self.repositories.get(name)
    }
}

impl Content for BundleContent {
    fn tag(&self, repository: &RepositoryName, tag: &TagName) -> Result<Option<ContentDigest>> {
        Ok(self.get(repository).and_then(|found| found.tags.get(tag.as_str())).copied())
    }

    fn manifest(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Manifest>> {
        let media_type = self.get(repository).and_then(|found| found.manifests.get(digest)).cloned();
        let Some((media_type, digest)) = media_type.zip(digest.sha256()) else { return Ok(None) };
        let bytes = self.bundle.read_blob(digest, document::MAX_SIZE)?;
        Ok(Some(Manifest { media_type, bytes }))
    }

    fn blob_of(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Blob>> {
        let has = self.get(repository).is_some_and(|found| found.has_blob(digest));
        if has { self.blob(digest) } else { Ok(None) }
    }

    fn blob(&self, digest: &ContentDigest) -> Result<Option<Blob>> {
        let found = digest.sha256().and_then(|digest| self.bundle.extents(digest));
        Ok(found.map(|(blob, extents)| Blob::of_bundle(blob, &self.bundle, extents.to_vec(), &self.verified)))
    }

    fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Option<Page>> {
        let names = self.get(repository).map(|found| found.tags.keys().cloned().collect());
        Ok(names.map(|names| Page::cut(names, after, limit)))
    }

    fn referrers(&self, repository: &RepositoryName, subject: &ContentDigest) -> Result<Vec<Descriptor>> {
        let all = self.get(repository).into_iter().flat_map(|found| &found.referrers);
        let of_subject = all.filter(|(about, _)| about == subject).map(|(_, descriptor)| descriptor.clone());
        let mut found: Vec<Descriptor> = of_subject.collect();
        found.sort_by_key(|descriptor| descriptor.digest);
        Ok(found)
    }

    fn has_repository(&self, repository: &RepositoryName) -> Result<bool> {
        Ok(self.repositories.contains_key(repository))
    }

    fn hosts(&self) -> Result<Vec<Option<String>>> {
        let hosts: BTreeSet<_> =
            self.repositories.keys().map(|name| name.host().map(str::to_owned)).collect();
        Ok(hosts.into_iter().collect())
    }

    fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        Ok(Page::cut(self.repositories.keys().map(ToString::to_string).collect(), after, limit))
    }

    fn each_blob(&self, take: &mut dyn FnMut(ContentDigest) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let mut digests = self.bundle.manifest().blobs.iter().map(|blob| blob.digest.into());
        Ok(digests.try_for_each(take))
    }

    fn users_of(&self, digest: &ContentDigest) -> Result<Vec<String>> {
        let (manifest, sought) = (self.bundle.manifest(), digest.sha256());
        let stem = names::stem(&manifest.name, &manifest.version);
        let uses = |artifact: &&Artifact| artifact.digests().iter().any(|digest| Some(*digest) == sought);
        let artifacts = manifest.artifacts.iter().filter(uses);
        let artifacts = artifacts.map(|artifact| format!("{stem}: {}", artifact.name()));
        let has = |repository: &&Repository| {
            repository.has_blob(digest) || repository.manifests.contains_key(digest)
        };
        let repositories = self.repositories.iter().filter(|(_, repository)| has(repository));
        Ok(artifacts.chain(repositories.map(|(name, _)| name.to_string())).collect())
    }
}

/// Several contents as one. Where they contradict each other, the first one is right.
pub struct Overlay(Vec<Arc<dyn Content>>);

impl Overlay {
    /// Puts each of `layers` over those behind it.
    pub fn new(layers: Vec<Arc<dyn Content>>) -> Overlay {
        Overlay(layers)
    }

    fn first<T>(&self, find: impl Fn(&dyn Content) -> Result<Option<T>>) -> Result<Option<T>> {
        self.0.iter().find_map(|layer| find(layer.as_ref()).transpose()).transpose()
    }

    fn merged(pages: Vec<Page>, limit: usize) -> Page {
        let more = pages.iter().any(|page| page.more);
        let page = Page::cut(pages.into_iter().flat_map(|page| page.names).collect(), None, limit);
        Page { more: page.more || more, names: page.names }
    }
}

impl Content for Overlay {
    fn tag(&self, repository: &RepositoryName, tag: &TagName) -> Result<Option<ContentDigest>> {
        self.first(|layer| layer.tag(repository, tag))
    }

    fn manifest(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Manifest>> {
        self.first(|layer| layer.manifest(repository, digest))
    }

    fn blob_of(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Blob>> {
        self.first(|layer| layer.blob_of(repository, digest))
    }

    fn blob(&self, digest: &ContentDigest) -> Result<Option<Blob>> {
        self.first(|layer| layer.blob(digest))
    }

    fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Option<Page>> {
        let pages = self.0.iter().filter_map(|layer| layer.tags(repository, after, limit).transpose());
        let pages = pages.collect::<Result<Vec<_>>>()?;
        Ok((!pages.is_empty()).then(|| Overlay::merged(pages, limit)))
    }

    fn referrers(&self, repository: &RepositoryName, subject: &ContentDigest) -> Result<Vec<Descriptor>> {
        let mut found = BTreeMap::new();
        for layer in &self.0 {
            for descriptor in layer.referrers(repository, subject)? {
                found.entry(descriptor.digest).or_insert(descriptor);
            }
        }
        Ok(found.into_values().collect())
    }

    fn has_repository(&self, repository: &RepositoryName) -> Result<bool> {
        let found = self.first(|layer| Ok(layer.has_repository(repository)?.then_some(())))?;
        Ok(found.is_some())
    }

    fn hosts(&self) -> Result<Vec<Option<String>>> {
        let hosts = self.0.iter().map(|layer| layer.hosts()).collect::<Result<Vec<_>>>()?;
        Ok(hosts.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let pages = self.0.iter().map(|layer| layer.repositories(after, limit));
        Ok(Overlay::merged(pages.collect::<Result<_>>()?, limit))
    }

    fn each_blob(&self, take: &mut dyn FnMut(ContentDigest) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        for layer in &self.0 {
            if layer.each_blob(take)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn users_of(&self, digest: &ContentDigest) -> Result<Vec<String>> {
        let users = self.0.iter().map(|layer| layer.users_of(digest)).collect::<Result<Vec<_>>>()?;
        Ok(users.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect())
    }
}
