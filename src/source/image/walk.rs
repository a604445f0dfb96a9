//! The walk through an image: from its root over indexes and manifests down to the last layer.

use serde::Deserialize;

use crate::bundle::manifest::Descriptor;
use crate::error::{Error, Result, codes};
use crate::lock;
use crate::oci::digest::Digest;
use crate::oci::document::{self, Document, Index, IndexEntry};
use crate::oci::platform::Platform;
use crate::source::image::{Opened, origin};
use crate::source::shelf::{Blob, Shelf};
use crate::spec::Image;

/// Collects the blobs of one image.
pub(super) struct Walk<'a> {
    shelf: &'a Shelf<'a>,
    image: &'a Image,
    blobs: Vec<Blob>,
    platforms: Vec<lock::ImagePlatform>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(shelf: &'a Shelf<'a>, image: &'a Image) -> Walk<'a> {
        Walk { shelf, image, blobs: Vec::new(), platforms: Vec::new() }
    }

    async fn add(&mut self, digest: Digest, size: u64) -> Result<()> {
        if self.blobs.iter().all(|blob| blob.digest != digest) {
            let blob = self.shelf.blob(digest, size).await?;
            self.blobs.push(blob);
        }
        Ok(())
    }

    pub(super) async fn root(&mut self, root: &Descriptor) -> Result<()> {
        self.add(root.digest, root.size).await?;
        match self.shelf.document(root).await? {
            Document::Image(image) => self.single(root, &image).await,
            Document::Index(index) => self.index(index).await,
        }
    }

    /// An image without index: its configuration says what it runs on.
    async fn single(&mut self, root: &Descriptor, image: &document::Image) -> Result<()> {
        let config = self.shelf.blob(image.config.digest, image.config.size).await?;
        let own: ConfigPlatform =
            serde_json::from_slice(&self.shelf.small_blob(&config).await?).unwrap_or_default();
        let fits = |platform: &Platform| platform.matches(&own.os, &own.architecture, own.variant.as_deref());
        for platform in &self.image.platforms {
            if !fits(platform) {
                return Err(self.lacks(*platform, &[format!("{}/{}", own.os, own.architecture)]));
            }
            self.platforms.push(lock::ImagePlatform { platform: *platform, manifest: root.digest });
        }
        self.content(image).await
    }

    async fn index(&mut self, root: Index) -> Result<()> {
        let indexes = self.flatten(root).await?;
        let entries: Vec<&IndexEntry> = indexes.iter().flat_map(|index| &index.entries).collect();
        for platform in &self.image.platforms {
            let entry = entries.iter().find(|entry| entry.is_for(*platform) && !entry.is_attestation());
            let entry = entry.ok_or_else(|| self.lacks(*platform, &offered(&entries)))?;
            self.manifest(&plain(&entry.descriptor)).await?;
            self.platforms
                .push(lock::ImagePlatform { platform: *platform, manifest: entry.descriptor.digest });
        }
        if self.image.referrers {
            self.attestations(&entries).await?;
        }
        Ok(())
    }

    /// The index and those nested in it, a level at a time.
    async fn flatten(&mut self, root: Index) -> Result<Vec<Index>> {
        let mut indexes = vec![root];
        let mut level = 0..1;
        for depth in 0.. {
            let nested: Vec<Descriptor> = indexes[level.clone()]
                .iter()
                .flat_map(|index| &index.entries)
                .filter(|entry| {
                    matches!(
                        entry.descriptor.media_type.as_str(),
                        document::OCI_INDEX | document::DOCKER_LIST
                    )
                })
                .map(|entry| plain(&entry.descriptor))
                .collect();
            if nested.is_empty() {
                break;
            }
            if depth >= document::MAX_DEPTH {
                return Err(self.refuse(format!(
                    "its indexes are nested more than {} levels deep",
                    document::MAX_DEPTH
                )));
            }
            level = indexes.len()..indexes.len() + nested.len();
            for descriptor in nested {
                self.add(descriptor.digest, descriptor.size).await?;
                if let Document::Index(index) = self.shelf.document(&descriptor).await? {
                    indexes.push(index);
                }
            }
        }
        Ok(indexes)
    }

    async fn manifest(&mut self, descriptor: &Descriptor) -> Result<()> {
        self.add(descriptor.digest, descriptor.size).await?;
        match self.shelf.document(descriptor).await? {
            Document::Image(image) => self.content(&image).await,
            Document::Index(_) => {
                Err(self.refuse(format!("{} is an index where an image belongs", descriptor.digest)))
            }
        }
    }

    async fn content(&mut self, image: &document::Image) -> Result<()> {
        self.add(image.config.digest, image.config.size).await?;
        for layer in &image.layers {
            self.add(layer.digest, layer.size).await?;
        }
        Ok(())
    }

    /// Provenance and SBOMs that BuildKit puts into the index itself.
    async fn attestations(&mut self, entries: &[&IndexEntry]) -> Result<()> {
        for entry in entries {
            let about = entry.attests();
            if self.platforms.iter().any(|platform| Some(platform.manifest) == about) {
                self.manifest(&plain(&entry.descriptor)).await?;
            }
        }
        Ok(())
    }

    /// Finds and adds what refers to the image or to the manifest of one of its platforms.
    pub(super) async fn discover(&mut self, root: &Digest) -> Result<Vec<lock::Referrer>> {
        let mut subjects = vec![*root];
        subjects.extend(
            self.platforms.iter().map(|platform| platform.manifest).filter(|manifest| manifest != root),
        );
        let mut found: Vec<lock::Referrer> = Vec::new();
        for subject in subjects {
            for referrer in self.shelf.referrers(&subject).await? {
                if found.iter().all(|known| (known.digest, &known.tag) != (referrer.digest, &referrer.tag)) {
                    self.referrer(&referrer).await?;
                    found.push(referrer);
                }
            }
        }
        found.sort_by(|a, b| (&a.tag, a.digest).cmp(&(&b.tag, b.digest)));
        Ok(found)
    }

    pub(super) async fn referrer(&mut self, referrer: &lock::Referrer) -> Result<()> {
        let (media_type, digest, size) = (referrer.media_type.clone(), referrer.digest, referrer.size);
        self.manifest(&Descriptor { media_type, digest, size }).await
    }

    fn lacks(&self, platform: Platform, offered: &[String]) -> Error {
        let message = format!("image {} does not exist for {platform}", self.image.reference);
        let help = match self.image.line {
            // The list of k3s names it; there is no line to change.
            0 => format!(
                "leave {platform} out of `platforms`, choose another k3s release, or set `images: false` below `k3s` and name the images yourself"
            ),
            line => format!(
                "line {line} of bundle.yaml: add `platforms: [...]` with what exists, or name another image"
            ),
        };
        Error::new(codes::SOURCE_IMAGE, message)
            .with_detail(format!("it exists for {}", offered.join(", ")))
            .with_help(help)
    }

    fn refuse(&self, why: String) -> Error {
        Error::new(codes::SOURCE_IMAGE, format!("image {} cannot be carried: {why}", self.image.reference))
            .with_help("push it again with a current tool, or name another version")
    }

    pub(super) fn finish(
        mut self,
        root: &Descriptor,
        wanted_by: &str,
        authenticated_by: String,
        referrers: Option<Vec<lock::Referrer>>,
    ) -> Opened {
        self.platforms.sort_by_key(|entry| entry.platform);
        let locked = lock::Image {
            name: self.image.reference.to_string(),
            origin: origin(self.image),
            wanted_by: wanted_by.to_owned(),
            media_type: root.media_type.clone(),
            digest: root.digest,
            size: root.size,
            authenticated_by,
            platforms: self.platforms,
            total_size: self.blobs.iter().map(|blob| blob.size).sum(),
            referrers,
        };
        Opened { locked, blobs: self.blobs }
    }
}

/// The fields of an image configuration that say what it runs on (OCI image-spec, "Image Configuration").
#[derive(Default, Deserialize)]
struct ConfigPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

fn plain(descriptor: &document::Descriptor) -> Descriptor {
    Descriptor { media_type: descriptor.media_type.clone(), digest: descriptor.digest, size: descriptor.size }
}

fn offered(entries: &[&IndexEntry]) -> Vec<String> {
    let platforms =
        entries.iter().filter(|entry| !entry.is_attestation()).filter_map(|entry| entry.platform.as_ref());
    let names: Vec<String> = platforms
        .map(|own| match &own.variant {
            Some(variant) => format!("{}/{}/{variant}", own.os, own.architecture),
            None => format!("{}/{}", own.os, own.architecture),
        })
        .collect();
    if names.is_empty() { vec!["no platform at all".to_owned()] } else { names }
}
