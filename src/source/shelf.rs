//! The place one image is taken from, whatever it is: a registry, a layout directory, an archive.

use std::path::{Path, PathBuf};

use fs_err as fs;
use tokio::sync::OnceCell;

use crate::bundle::manifest::Descriptor;
use crate::error::{Error, Result, codes};
use crate::fetch::Location;
use crate::lock;
use crate::oci::digest::Digest;
use crate::oci::document::{self, Document};
use crate::oci::reference::Reference;
use crate::oci::registry::Registry;
use crate::source::gather::{Gatherer, Wanted};
use crate::source::layout::{Layout, blob_path, docker};
use crate::source::local::unreadable;
use crate::spec::{Image, ImageSource};
use crate::store::cache::Cache;

/// Where the bytes of one blob are.
#[derive(Clone, Debug)]
pub enum Origin {
    /// To be fetched into the cache first.
    Remote(Location),
    /// Imported into the cache already.
    Cached,
    /// In this file; hashed while it is copied.
    File(PathBuf),
}

/// A blob of an artifact with its origin.
#[derive(Clone, Debug)]
pub struct Blob {
    /// What it must be.
    pub digest: Digest,
    /// Its number of bytes.
    pub size: u64,
    /// Where it is.
    pub origin: Origin,
}

/// An opened source of one image.
pub struct Shelf<'a> {
    gatherer: &'a Gatherer,
    registry: &'a Registry,
    reference: &'a Reference,
    place: Place,
}

enum Place {
    Registry,
    Directory { path: PathBuf, name: Option<String> },
    Archive { path: PathBuf, name: Option<String>, docker: bool, imported: OnceCell<Layout> },
}

impl<'a> Shelf<'a> {
    /// The source of `image`, whose path is relative to `directory`. Nothing is read yet.
    pub fn new(
        gatherer: &'a Gatherer,
        registry: &'a Registry,
        directory: &Path,
        image: &'a Image,
    ) -> Shelf<'a> {
        let archive = |path: &PathBuf, name: &Option<String>, docker| Place::Archive {
            path: joined(directory, path),
            name: name.clone(),
            docker,
            imported: OnceCell::new(),
        };
        let place = match &image.source {
            ImageSource::Registry => Place::Registry,
            ImageSource::OciDirectory { path, name } => {
                Place::Directory { path: joined(directory, path), name: name.clone() }
            }
            ImageSource::OciArchive { path, name } => archive(path, name, false),
            ImageSource::DockerArchive { path, name } => archive(path, name, true),
        };
        Shelf { gatherer, registry, reference: &image.reference, place }
    }

    fn cache(&self) -> &Cache {
        self.gatherer.cache()
    }

    /// The manifest or index that the image's name stands for today.
    pub async fn root(&self) -> Result<Descriptor> {
        let layout = match &self.place {
            Place::Registry => {
                let found = self.registry.resolve(self.reference).await?;
                if let Some(bytes) = &found.bytes {
                    self.cache().put(bytes)?;
                }
                return Ok(Descriptor {
                    media_type: found.media_type,
                    digest: found.digest,
                    size: found.size,
                });
            }
            Place::Directory { path, .. } => &Layout::open_directory(path)?,
            Place::Archive { .. } => self.imported().await?,
        };
        let entry = layout.choose(self.name(), self.reference)?;
        Ok(Descriptor { media_type: entry.media_type.clone(), digest: entry.digest, size: entry.size })
    }

    fn name(&self) -> Option<&str> {
        match &self.place {
            Place::Registry => None,
            Place::Directory { name, .. } | Place::Archive { name, .. } => name.as_deref(),
        }
    }

    /// The parsed manifest or index of that digest; its bytes are in the cache afterwards.
    pub async fn document(&self, wanted: &Descriptor) -> Result<Document> {
        let bytes = self.bytes(&wanted.digest, wanted.size).await?;
        if bytes.len() as u64 != wanted.size {
            let message =
                format!("{} has {} bytes, its descriptor says {}", wanted.digest, bytes.len(), wanted.size);
            return Err(Error::new(codes::WRONG_DIGEST, message).with_help(
                "the image is inconsistent where it comes from; push it again or name another version",
            ));
        }
        document::parse(&bytes, Some(&wanted.media_type))
    }

    async fn bytes(&self, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        if size > document::MAX_SIZE {
            return Err(too_large(&format!("the manifest {digest} has {size} bytes")));
        }
        if let Some(bytes) = self.cache().read(digest, document::MAX_SIZE)? {
            return Ok(bytes);
        }
        let bytes = match &self.place {
            Place::Registry => {
                self.registry.manifest(self.reference.host(), self.reference.repository(), *digest).await?
            }
            Place::Directory { path, .. } => self.read_exact(&blob_path(path, digest), digest)?,
            Place::Archive { .. } => {
                self.imported().await?;
                let found = self.cache().read(digest, document::MAX_SIZE)?;
                found.ok_or_else(|| self.not_there(digest))?
            }
        };
        let found = self.cache().put(&bytes)?;
        if found == *digest { Ok(bytes) } else { Err(self.not_there(digest)) }
    }

    /// The bytes of a small blob that is no manifest: an image configuration.
    pub async fn small_blob(&self, blob: &Blob) -> Result<Vec<u8>> {
        if blob.size > document::MAX_SIZE {
            return Err(too_large(&format!("the configuration {} has {} bytes", blob.digest, blob.size)));
        }
        match &blob.origin {
            Origin::Remote(location) => {
                let name = self.reference.to_string();
                let wanted =
                    Wanted { digest: blob.digest, size: blob.size, location: location.clone(), name };
                self.gatherer.one(&wanted).await?;
            }
            Origin::Cached => {}
            Origin::File(path) => return self.read_exact(path, &blob.digest),
        }
        let bytes = self.cache().read(&blob.digest, document::MAX_SIZE)?;
        bytes.ok_or_else(|| self.not_there(&blob.digest))
    }

    /// Where the bytes of a blob are. Imports the archive again if the cache lost it.
    pub async fn blob(&self, digest: Digest, size: u64) -> Result<Blob> {
        let origin = match &self.place {
            Place::Registry => Origin::Remote(self.registry.blob(
                self.reference.host(),
                self.reference.repository(),
                digest,
            )?),
            Place::Directory { path, .. } => Origin::File(blob_path(path, &digest)),
            Place::Archive { .. } => {
                if !self.cache().check(&digest, size)? {
                    self.imported().await?;
                }
                if !self.cache().has(&digest, size) {
                    return Err(self.not_there(&digest));
                }
                Origin::Cached
            }
        };
        Ok(Blob { digest, size, origin })
    }

    /// What refers to the manifest `subject`: signatures, SBOMs, attestations.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<lock::Referrer>> {
        let layout = match &self.place {
            Place::Registry => {
                let (host, repository) = (self.reference.host(), self.reference.repository());
                let found = self.registry.referrers(host, repository, *subject).await?;
                return Ok(found
                    .into_iter()
                    .map(|found| lock::Referrer {
                        media_type: found.media_type,
                        digest: found.digest,
                        size: found.size,
                        artifact_type: found.artifact_type,
                        tag: found.tag,
                    })
                    .collect());
            }
            Place::Directory { path, .. } => &Layout::open_directory(path)?,
            Place::Archive { .. } => self.imported().await?,
        };
        self.referrers_of_layout(layout, subject).await
    }

    async fn referrers_of_layout(&self, layout: &Layout, subject: &Digest) -> Result<Vec<lock::Referrer>> {
        let mut found = Vec::new();
        for entry in layout.entries() {
            let (media_type, digest, size) = (entry.media_type.clone(), entry.digest, entry.size);
            let descriptor = Descriptor { media_type: media_type.clone(), digest, size };
            let (about, artifact_type) = match self.document(&descriptor).await? {
                Document::Image(image) => (image.subject, image.artifact_type),
                Document::Index(index) => (index.subject, index.artifact_type),
            };
            if about.is_some_and(|about| about.digest == *subject) {
                found.push(lock::Referrer { media_type, digest, size, artifact_type, tag: None });
            }
        }
        Ok(found)
    }

    async fn imported(&self) -> Result<&Layout> {
        let Place::Archive { path, docker, imported, .. } = &self.place else {
            return Err(Error::new(codes::INTERNAL, "only archives are imported"));
        };
        imported
            .get_or_try_init(|| async {
                let (path, cache, docker) = (path.clone(), self.cache().clone(), *docker);
                let import = move || {
                    if docker { docker::import(&path, &cache) } else { Layout::import_archive(&path, &cache) }
                };
                tokio::task::spawn_blocking(import).await.map_err(|error| {
                    Error::new(codes::INTERNAL, "the import ended unexpectedly").with_source(error)
                })?
            })
            .await
    }

    /// Reads a small file of a layout directory that must have that digest.
    fn read_exact(&self, path: &Path, digest: &Digest) -> Result<Vec<u8>> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => self.not_there(digest),
            _ => unreadable(&path.display().to_string(), error),
        };
        let length = fs::metadata(path).map_err(failed)?.len();
        if length > document::MAX_SIZE {
            return Err(self.not_there(digest));
        }
        let bytes = fs::read(path).map_err(failed)?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(self.not_there(digest)) }
    }

    /// The error for content that the lock pins and the source lacks.
    fn not_there(&self, digest: &Digest) -> Error {
        let place = match &self.place {
            Place::Registry => self.reference.to_string(),
            Place::Directory { path, .. } | Place::Archive { path, .. } => path.display().to_string(),
        };
        Error::new(codes::LOCK_MOVED, format!("{place} does not hold {digest}")).with_help(format!(
            "if bundle.lock pins an earlier content, `airlock bundle lock --update {}` takes what is there now; \
             else the content is damaged: make it anew",
            self.reference
        ))
    }
}

/// `path` as seen from `directory`, without `./`, as messages show it.
fn joined(directory: &Path, path: &Path) -> PathBuf {
    directory.join(path).components().collect()
}

fn too_large(what: &str) -> Error {
    Error::new(codes::SOURCE_IMAGE, format!("{what}, more than 4 MiB"))
        .with_help("no real image has that: push it again with a current tool, or name another version")
}
