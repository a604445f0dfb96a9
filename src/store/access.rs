//! Which blobs a repository has, and saying that they are needed.
//!
//! A client asks whether a blob is there, relies on the answer for a while, and then pushes a manifest that
//! needs it. Collecting garbage spares blobs whose file is young, so whoever is told "yes" makes it young.

use std::io;
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
        let members = [BLOBS, MANIFESTS].map(|kind| directory::member(&directory, kind, digest));
        Ok(members.iter().any(|member| member.is_file()) && self.touch(digest, YOUNG)?)
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
            batch.write(&directory::member(&self.repository(to), BLOBS, digest), b"")?;
            Ok(true)
        };
        mount().map_err(|error| files::failed(self.root(), error))
    }

    /// Makes the file of a blob young, unless it is not older than `age`; whether there is one.
    pub(super) fn touch(&self, digest: &ContentDigest, age: Duration) -> Result<bool> {
        self.try_touch(digest, age).map_err(|error| files::failed(&self.directory().blob(digest), error))
    }

    pub(super) fn try_touch(&self, digest: &ContentDigest, age: Duration) -> io::Result<bool> {
        let Some(file) = files::open(&self.directory().blob(digest))? else { return Ok(false) };
        let before = file.metadata()?;
        let now = SystemTime::now();
        if before.modified().is_ok_and(|modified| modified + age > now && modified <= now) {
            return Ok(true);
        }
        file.file().set_modified(now)?;
        let mark = |metadata| self.0.verified.mark_of((*digest, Identity::of(metadata)));
        self.0.verified.moved(mark(&before), mark(&file.metadata()?));
        Ok(true)
    }
}
