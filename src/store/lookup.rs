//! Finding things in a store: every answer is one or two files, read without a lock.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use super::blob::Blob;
use super::content::{Content, Descriptor, Manifest, Page};
use super::directory::{self, BLOBS, MANIFESTS, TAGS};
use super::name::{RepositoryName, TagName};
use super::{Store, document, files};
use crate::error::{Error, Result, codes};
use crate::oci::digest::{Algorithm, ContentDigest};

/// A digest or media type is far shorter.
const SMALL_FILE: u64 = 1024;

/// A descriptor with the annotations of a manifest.
const DESCRIPTOR: u64 = document::MAX_SIZE + 4096;

impl Content for Store {
    fn tag(&self, repository: &RepositoryName, tag: &TagName) -> Result<Option<ContentDigest>> {
        read_tag(&directory::tag(&self.repository(repository), tag))
    }

    fn manifest(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Manifest>> {
        let member = directory::member(&self.repository(repository), MANIFESTS, digest);
        let Some(media_type) = read_text(&member)? else { return Ok(None) };
        let bytes = self.read_document(digest)?;
        Ok(bytes.map(|bytes| Manifest { media_type, bytes }))
    }

    fn blob_of(&self, repository: &RepositoryName, digest: &ContentDigest) -> Result<Option<Blob>> {
        let repository = self.repository(repository);
        let members = [BLOBS, MANIFESTS].map(|kind| directory::member(&repository, kind, digest));
        if members.iter().any(|member| member.is_file()) { self.blob(digest) } else { Ok(None) }
    }

    fn blob(&self, digest: &ContentDigest) -> Result<Option<Blob>> {
        let path = self.directory().blob(digest);
        let open = || -> io::Result<Option<Blob>> {
            let file = files::open(&path)?;
            file.map(|file| Blob::of_file(*digest, file, &self.0.verified)).transpose()
        };
        open().map_err(|error| files::failed(&path, error))
    }

    fn tags(&self, repository: &RepositoryName, after: Option<&str>, limit: usize) -> Result<Option<Page>> {
        if !self.has_repository(repository)? {
            return Ok(None);
        }
        let path = self.repository(repository).join(TAGS);
        let names = files::names(&path).map_err(|error| files::failed(&path, error))?;
        Ok(Some(Page::cut(names, after, limit)))
    }

    fn referrers(&self, repository: &RepositoryName, subject: &ContentDigest) -> Result<Vec<Descriptor>> {
        let path = directory::referrers(&self.repository(repository), subject);
        let mut names = files::names(&path).map_err(|error| files::failed(&path, error))?;
        names.sort_unstable();
        let mut found = Vec::new();
        for name in names {
            let path = path.join(name);
            let bytes = files::read(&path, DESCRIPTOR).map_err(|error| files::failed(&path, error))?;
            // Removed since it was listed.
            let Some(bytes) = bytes else { continue };
            found.push(serde_json::from_slice(&bytes).map_err(|error| malformed(&path).with_source(error))?);
        }
        Ok(found)
    }

    fn has_repository(&self, repository: &RepositoryName) -> Result<bool> {
        Ok(is_repository(&self.repository(repository)))
    }

    fn hosts(&self) -> Result<Vec<Option<String>>> {
        let path = self.directory().names();
        let hosts = files::names(&path).map_err(|error| files::failed(&path, error))?;
        Ok(hosts.into_iter().map(|host| Some(host).filter(|host| host != "_")).collect())
    }

    fn repositories(&self, after: Option<&str>, limit: usize) -> Result<Page> {
        let names = self.repository_names()?;
        Ok(Page::cut(names.iter().map(ToString::to_string).collect(), after, limit))
    }

    fn each_blob(&self, take: &mut dyn FnMut(ContentDigest) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        for algorithm in Algorithm::ALL {
            let path = self.directory().blobs(algorithm);
            for entry in fs_err::read_dir(&path).map_err(|error| files::failed(&path, error))? {
                let name = entry.map_err(|error| files::failed(&path, error))?.file_name();
                let digest = name.to_str().and_then(|hex| ContentDigest::from_hex(algorithm, hex).ok());
                if digest.is_some_and(|digest| take(digest).is_break()) {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn users_of(&self, digest: &ContentDigest) -> Result<Vec<String>> {
        self.users_of_blob(digest)
    }
}

impl Store {
    /// The bytes of a manifest, whoever has it; nothing if they are not there.
    ///
    /// # Errors
    /// [`codes::STORE_BLOB_DAMAGED`] if they are not those of the digest.
    pub(super) fn read_document(&self, digest: &ContentDigest) -> Result<Option<Vec<u8>>> {
        let path = self.directory().blob(digest);
        let bytes = files::read(&path, document::MAX_SIZE).map_err(|error| files::failed(&path, error))?;
        match bytes {
            Some(bytes) if ContentDigest::of(digest.algorithm(), &bytes) != *digest => {
                Err(Error::new(codes::STORE_BLOB_DAMAGED, format!("manifest {digest} is damaged"))
                    .with_help("put it right with `airlock store repair --from BUNDLE`"))
            }
            bytes => Ok(bytes),
        }
    }

    /// All repositories, sorted.
    pub fn repository_names(&self) -> Result<Vec<RepositoryName>> {
        let mut names = Vec::new();
        self.each_repository(&mut |name, _| {
            names.push(name.clone());
            Ok(())
        })?;
        names.sort();
        Ok(names)
    }

    /// Calls `take` for every repository with its directory. Memory grows with the depth of names only.
    pub(super) fn each_repository(
        &self,
        take: &mut dyn FnMut(&RepositoryName, &Path) -> Result<()>,
    ) -> Result<()> {
        let root = self.directory().names();
        for host in files::names(&root).map_err(|error| files::failed(&root, error))? {
            walk(&root.join(&host), &host, "", take)?;
        }
        Ok(())
    }
}

fn walk(
    directory: &Path,
    host: &str,
    path: &str,
    take: &mut dyn FnMut(&RepositoryName, &Path) -> Result<()>,
) -> Result<()> {
    if is_repository(directory)
        && let Some(name) = RepositoryName::of_directory(host, path)
    {
        take(&name, directory)?;
    }
    let children = files::names(directory).map_err(|error| files::failed(directory, error))?;
    for child in children.iter().filter(|child| !child.starts_with('_')) {
        let path = if path.is_empty() { child.clone() } else { format!("{path}/{child}") };
        walk(&directory.join(child), host, &path, take)?;
    }
    Ok(())
}

fn is_repository(directory: &Path) -> bool {
    [MANIFESTS, BLOBS].iter().any(|kind| directory.join(kind).is_dir())
}

/// The manifests that the repository in a directory has.
pub(super) fn manifests_of(repository: &Path) -> Result<Vec<ContentDigest>> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        let path = repository.join(MANIFESTS).join(algorithm.name());
        let names = files::names(&path).map_err(|error| files::failed(&path, error))?;
        found.extend(names.iter().filter_map(|hex| ContentDigest::from_hex(algorithm, hex).ok()));
    }
    Ok(found)
}

/// The digest in the file of a tag.
pub(super) fn read_tag(path: &Path) -> Result<Option<ContentDigest>> {
    let text = read_text(path)?;
    text.map(|text| text.parse().map_err(|_| malformed(path))).transpose()
}

pub(super) fn read_text(path: &Path) -> Result<Option<String>> {
    let bytes = files::read(path, SMALL_FILE).map_err(|error| files::failed(path, error))?;
    bytes.map(|bytes| String::from_utf8(bytes).map_err(|_| malformed(path))).transpose()
}

fn malformed(path: &Path) -> Error {
    Error::new(codes::STORE_FORMAT, format!("`{}` is damaged", files::shown(path)))
        .with_help("remove the file, then import the bundle or push the image again")
}
