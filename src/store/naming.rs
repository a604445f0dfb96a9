//! Writes the names that a bundle gives into a store, and takes them back.
//!
//! Several bundles may give the same name. A tag names what the latest import says; when that bundle is
//! removed, it falls back to the next one that has the tag.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::catalogue::{Catalogue, Repository};
use super::directory::{self, BLOBS, MANIFESTS};
use super::document::{self, Document};
use super::files::Batch;
use super::record::Record;
use super::{RepositoryName, Store, files, lookup};
use crate::error::Result;
use crate::oci::digest::ContentDigest;

impl Store {
    /// Everything but tags first, then tags.
    pub(super) fn write_names(&self, catalogue: &Catalogue) -> Result<()> {
        let write = || -> io::Result<()> {
            let mut batch = self.directory().bulk();
            for repository in &catalogue.repositories {
                self.write_members(repository, &mut batch)?;
            }
            batch.sync()?;
            for repository in &catalogue.repositories {
                let Some(name) = repository.name() else { continue };
                for (tag, digest) in repository.tags() {
                    let path = directory::tag(&self.repository(&name), &tag);
                    batch.write(&path, digest.to_string().as_bytes())?;
                }
            }
            batch.sync()
        };
        write().map_err(|error| files::failed(self.root(), error))
    }

    fn write_members(&self, repository: &Repository, batch: &mut Batch) -> io::Result<()> {
        let Some(name) = repository.name() else { return Ok(()) };
        let directory = self.repository(&name);
        for digest in &repository.blobs {
            batch.join(&directory::member(&directory, BLOBS, &ContentDigest::from(*digest)))?;
        }
        for (digest, media_type) in &repository.manifests {
            batch.write(&directory::member(&directory, MANIFESTS, digest), media_type.as_bytes())?;
        }
        for (subject, descriptor) in &repository.referrers {
            let path = directory::referrers(&directory, subject).join(directory::dashed(&descriptor.digest));
            batch.write(&path, &serde_json::to_vec(descriptor)?)?;
        }
        Ok(())
    }

    /// Removes a bundle: the names that no other bundle gives, and its record. Names that were pushed over
    /// since stay. The bytes of its blobs stay until garbage is collected.
    ///
    /// May be killed and run again.
    pub fn remove_bundle(&self, record: &Record) -> Result<()> {
        let _shared = self.share()?;
        let mut others = Vec::new();
        for other in self.bundles()?.into_iter().filter(|other| other.digest != record.digest) {
            others.push(self.catalogue(&other.digest)?);
        }
        let catalogue = self.catalogue(&record.digest)?;
        self.reopen_record(&record.digest)?;
        for repository in &catalogue.repositories {
            let Some(name) = repository.name() else { continue };
            let also: Vec<&Repository> = others
                .iter()
                .flat_map(|other| &other.repositories)
                .filter(|other| other.name().as_ref() == Some(&name))
                .collect();
            self.take_back(&name, repository, &also)?;
        }
        self.write_index()?;
        self.remove_record(&record.digest)
    }

    /// `also` is what other bundles give to the same repository, the latest import first.
    fn take_back(&self, name: &RepositoryName, repository: &Repository, also: &[&Repository]) -> Result<()> {
        let directory = self.repository(name);
        self.take_back_tags(&directory, repository, also)?;
        // A manifest that somebody tagged since is not ours to take, nor what it is made of.
        let tagged = self.reachable(self.tagged(&directory)?);
        let gone = |digest: &ContentDigest| {
            !tagged.contains(digest) && !also.iter().any(|other| other.manifests.contains_key(digest))
        };
        let remove = || -> io::Result<()> {
            let mut batch = self.directory().batch();
            for (subject, descriptor) in repository.referrers.iter().filter(|(_, found)| gone(&found.digest))
            {
                let referrers = directory::referrers(&directory, subject);
                batch.remove(&referrers.join(directory::dashed(&descriptor.digest)))?;
                files::remove_empty(&referrers, &directory);
            }
            for digest in repository.manifests.keys().filter(|digest| gone(digest)) {
                batch.remove(&directory::member(&directory, MANIFESTS, digest))?;
            }
            batch.sync()
        };
        remove().map_err(|error| files::failed(&directory, error))
    }

    fn take_back_tags(&self, directory: &Path, repository: &Repository, also: &[&Repository]) -> Result<()> {
        let mut batch = self.directory().batch();
        for (tag, digest) in repository.tags() {
            let path = directory::tag(directory, &tag);
            if lookup::read_tag(&path)? != Some(digest) {
                continue;
            }
            let changed = match also.iter().find_map(|other| other.tags.get(tag.as_str())) {
                Some(earlier) => batch.write(&path, earlier.to_string().as_bytes()),
                None => batch.remove(&path).map(drop),
            };
            changed.map_err(|error| files::failed(&path, error))?;
        }
        batch.sync().map_err(|error| files::failed(directory, error))
    }

    /// What the tags of a repository name.
    fn tagged(&self, directory: &Path) -> Result<Vec<ContentDigest>> {
        let path = directory.join(directory::TAGS);
        let mut found = Vec::new();
        for name in files::names(&path).map_err(|error| files::failed(&path, error))? {
            found.extend(lookup::read_tag(&path.join(name))?);
        }
        Ok(found)
    }

    /// These manifests and everything they mention. What cannot be read mentions nothing.
    fn reachable(&self, mut pending: Vec<ContentDigest>) -> BTreeSet<ContentDigest> {
        let mut found = BTreeSet::new();
        while let Some(digest) = pending.pop() {
            if found.insert(digest)
                && let Ok(Some(bytes)) = self.read_document(&digest)
                && let Ok(document) = Document::parse(&bytes, "")
            {
                let manifests =
                    document.optional.iter().filter(|child| document::is_manifest(&child.media_type));
                pending.extend(manifests.map(|child| child.digest));
            }
        }
        found
    }
}
