//! Writes the names that a bundle gives into a store, and takes them back.
//!
//! Several bundles may give the same name. A tag names what the latest import says; when that bundle is
//! removed, it falls back to the next one that has the tag.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, Repository};
use super::directory::{self, BLOBS, MANIFESTS};
use super::document::{self, Document};
use super::files::Batch;
use super::record::Record;
use super::{RepositoryName, Store, files, lookup};
use crate::error::{Result, codes};
use crate::oci::digest::ContentDigest;

/// Another bundle that the store holds.
struct Other {
    /// Whether all of its names are there: it may just be coming or going.
    is_complete: bool,
    catalogue: Catalogue,
}

/// What another bundle gives to the same repository; of several, the latest import comes first.
struct Also<'a> {
    is_complete: bool,
    gives: &'a Repository,
}

impl Other {
    fn in_repository(&self, name: &RepositoryName) -> impl Iterator<Item = Also<'_>> {
        let repositories = self.catalogue.repositories.iter();
        repositories
            .filter(|gives| gives.name().as_ref() == Some(name))
            .map(|gives| Also { is_complete: self.is_complete, gives })
    }
}

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

    /// Removes a bundle: the names that no other bundle gives, and its record. Tags that an earlier bundle
    /// gave as well name again what that one said. Names that were pushed over since stay. The bytes of its
    /// blobs stay until garbage is collected.
    ///
    /// May be killed and run again, and needs no free space.
    pub fn remove_bundle(&self, record: &Record) -> Result<()> {
        let _alone = self.exclude_bundles()?;
        let mut others = Vec::new();
        for other in self.bundles()?.into_iter().filter(|other| other.digest != record.digest) {
            let catalogue = self.catalogue(&other.digest)?;
            others.push(Other { is_complete: other.imported.is_some(), catalogue });
        }
        let catalogue = self.catalogue(&record.digest)?;
        self.reopen_record(&record.digest)?;
        for repository in &catalogue.repositories {
            let Some(name) = repository.name() else { continue };
            let also: Vec<_> = others.iter().flat_map(|other| other.in_repository(&name)).collect();
            // Nobody tags anything while it goes.
            let _alone = self.exclude()?;
            self.take_back(&name, repository, &also)?;
        }
        match self.write_index() {
            // One that is out of date would be worse than none.
            Err(error) if error.code() == codes::NO_SPACE => self.remove_index()?,
            result => result?,
        }
        self.remove_record(&record.digest)
    }

    pub(super) fn exclude_bundles(&self) -> Result<directory::Guard> {
        let lock = self.directory().exclude_bundles();
        lock.map_err(|error| files::failed(&self.directory().bundles(), error))
    }

    fn take_back(&self, name: &RepositoryName, repository: &Repository, also: &[Also<'_>]) -> Result<()> {
        let directory = self.repository(name);
        let tags = self.tags_to_take_back(&directory, repository, also)?;
        match write_tags(&tags, self.directory().bulk()) {
            // Then each of them takes the room of the one before, and the index makes room for the first.
            Err(error) if error.code() == codes::NO_SPACE => {
                self.remove_index()?;
                write_tags(&tags, self.directory().batch())?;
            }
            result => result?,
        }
        // A manifest that somebody tagged since is not ours to take, nor what it is made of.
        let tagged = self.reachable(self.tagged(&directory)?);
        let gone = |digest: &ContentDigest| {
            !tagged.contains(digest) && !also.iter().any(|also| also.gives.manifests.contains_key(digest))
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

    /// Files of tags that still say what the bundle said, each with what an earlier bundle says.
    fn tags_to_take_back(
        &self,
        directory: &Path,
        repository: &Repository,
        also: &[Also<'_>],
    ) -> Result<Vec<(PathBuf, Option<ContentDigest>)>> {
        let mut found = Vec::new();
        for (tag, digest) in repository.tags() {
            let path = directory::tag(directory, &tag);
            if lookup::read_tag(&path)? == Some(digest) {
                // Somebody may have deleted what the earlier bundle gave.
                let is_there =
                    |digest: &&ContentDigest| directory::member(directory, MANIFESTS, digest).is_file();
                let earlier = also.iter().filter(|also| also.is_complete);
                let earlier = earlier.filter_map(|also| also.gives.tags.get(tag.as_str())).find(is_there);
                found.push((path, earlier.copied()));
            }
        }
        Ok(found)
    }

    /// What the tags of a repository name.
    pub(super) fn tagged(&self, directory: &Path) -> Result<Vec<ContentDigest>> {
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

/// Gives each tag what it is to name, or removes it.
fn write_tags(tags: &[(PathBuf, Option<ContentDigest>)], mut batch: Batch) -> Result<()> {
    for (path, digest) in tags {
        let changed = match digest {
            Some(digest) => batch.write(path, digest.to_string().as_bytes()),
            None => batch.remove(path).map(drop),
        };
        changed.map_err(|error| files::failed(path, error))?;
    }
    batch.sync().map_err(|error| files::failed(Path::new("names"), error))
}
