//! Which blobs a repository has, and saying that they are needed.
//!
//! A client asks whether a blob is there, relies on the answer for a while, and then pushes a manifest that
//! needs it. Collecting garbage spares blobs whose file is young, so whoever is told "yes" makes it young.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::directory::{self, BLOBS, MANIFESTS};
use super::name::RepositoryName;
use super::verified::Identity;
use super::{Store, files};
use crate::error::Result;
use crate::oci::digest::ContentDigest;

/// A file that is younger than this need not be touched again for a client that only asks.
const YOUNG: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// Whether the repository has the blob; a client that pushes may rely on it for some hours.
    pub fn has_blob(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<bool> {
        let directory = self.repository(repository);
        for kind in [BLOBS, MANIFESTS] {
            let member = directory::member(&directory, kind, digest);
            if touch_file(&member, YOUNG).map_err(|error| files::failed(&member, error))?.is_some() {
                return self.touch(digest, YOUNG);
            }
        }
        Ok(false)
    }

    /// Whether the repository has the blob; then it is needed from now on.
    pub(super) fn claim(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<bool> {
        let member = directory::member(&self.repository(repository), BLOBS, digest);
        let is_member = touch_file(&member, Duration::ZERO).map_err(|error| files::failed(&member, error))?;
        Ok(is_member.is_some() && self.touch(digest, Duration::ZERO)?)
    }

    /// Makes a manifest young that another one mentions, if the repository has it; that need not be so.
    pub(super) fn keep_manifest(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<()> {
        let member = directory::member(&self.repository(repository), MANIFESTS, digest);
        touch_file(&member, Duration::ZERO).map_err(|error| files::failed(&member, error))?;
        self.touch(digest, Duration::ZERO).map(drop)
    }

    /// Gives the repository `to` a blob that `from` has, or that anybody has if `from` is none. Whether
    /// there was one. The caller decides who may take what from where.
    pub fn mount(
        &self,
        from: Option<&RepositoryName>,
        to: &RepositoryName,
        digest: &ContentDigest,
    ) -> Result<bool> {
        if let Some(from) = from.filter(|from| *from != to)
            && !self.has_blob(from, digest)?
        {
            return Ok(false);
        }
        let mount = || -> io::Result<bool> {
            let _shared = self.directory().share()?;
            if !self.try_touch(digest, Duration::ZERO)? {
                return Ok(false);
            }
            let mut batch = self.directory().batch();
            batch.join(&directory::member(&self.repository(to), BLOBS, digest))?;
            Ok(true)
        };
        mount().map_err(|error| files::failed(self.root(), error))
    }

    /// Makes the file of a blob young, unless it is not older than `age`; whether there is one.
    pub(super) fn touch(&self, digest: &ContentDigest, age: Duration) -> Result<bool> {
        self.try_touch(digest, age).map_err(|error| files::failed(&self.directory().blob(digest), error))
    }

    pub(super) fn try_touch(&self, digest: &ContentDigest, age: Duration) -> io::Result<bool> {
        let Some((before, after)) = touch_file(&self.directory().blob(digest), age)? else {
            return Ok(false);
        };
        let mark = |identity| self.0.verified.mark_of((*digest, identity));
        self.0.verified.moved(mark(before), mark(after));
        Ok(true)
    }
}

/// Makes a file young, unless it is not older than `age`. What it was and what it is now, if it exists.
fn touch_file(path: &Path, age: Duration) -> io::Result<Option<(Identity, Identity)>> {
    let Some(file) = files::open(path)? else { return Ok(None) };
    let metadata = file.metadata()?;
    let (before, now) = (Identity::of(&metadata), SystemTime::now());
    if metadata.modified().is_ok_and(|modified| modified + age > now && modified <= now) {
        return Ok(Some((before, before)));
    }
    file.file().set_modified(now)?;
    Ok(Some((before, Identity::of(&file.metadata()?))))
}
