//! Pushes the images of an OCI image layout by our own library, as a process whose memory can be measured.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock::bundle::manifest::{Descriptor, Image};
use airlock::error::{Error, codes};
use airlock::fetch::{Client, Settings};
use airlock::oci::digest::{Digest, Hasher};
use airlock::progress::Silent;
use airlock::push::{Plan, Remote, Source, Target, Tree};
use serde_json::Value;

use super::Result;

/// Pushes all of it to `address`.
pub fn run(layout: &Path, address: &str) -> Result<()> {
    let layout = Layout(layout.to_owned());
    let trees: Vec<Tree> = layout
        .images()?
        .iter()
        .map(|image| Tree::of(image, &layout))
        .collect::<airlock::error::Result<_>>()?;
    let remote = Remote::new(Client::new(Settings::default()), Target::parse(address)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let plan = Plan::make(&remote, &trees).await?;
        plan.execute(&remote, Arc::new(layout), 4, Arc::new(Silent)).await
    })?;
    Ok(())
}

struct Layout(PathBuf);

impl Layout {
    fn images(&self) -> Result<Vec<Image>> {
        let index: Value = serde_json::from_slice(&fs_err::read(self.0.join("index.json"))?)?;
        index["manifests"].as_array().into_iter().flatten().map(|entry| self.image(entry)).collect()
    }

    fn image(&self, entry: &Value) -> Result<Image> {
        let digest =
            |part: &Value| -> Result<Digest> { Ok(part["digest"].as_str().ok_or("no digest")?.parse()?) };
        let root = digest(entry)?;
        let manifest: Value = serde_json::from_slice(&fs_err::read(self.path(root))?)?;
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let parts: Vec<Digest> = layers.chain([&manifest["config"]]).map(digest).collect::<Result<_>>()?;
        let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().ok_or("no name")?;
        Ok(Image {
            name: name.to_owned(),
            origin: name.to_owned(),
            authenticated_by: "digest".to_owned(),
            root: Descriptor {
                media_type: entry["mediaType"].as_str().unwrap_or_default().to_owned(),
                digest: root,
                size: entry["size"].as_u64().unwrap_or_default(),
            },
            platforms: Vec::new(),
            referrers: Vec::new(),
            blobs: parts.into_iter().chain([root]).collect(),
        })
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }

    fn failed(digest: Digest, error: io::Error) -> Error {
        Error::new(codes::STORE_IO, format!("blob {digest} cannot be read")).with_source(error)
    }
}

impl Source for Layout {
    fn open(&self, digest: Digest) -> airlock::error::Result<Box<dyn Read + '_>> {
        let file = fs_err::File::open(self.path(digest)).map_err(|error| Layout::failed(digest, error))?;
        Ok(Box::new(Checked { file, digest, hasher: Some(Hasher::new()) }))
    }

    fn document(&self, digest: Digest, limit: u64) -> airlock::error::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.open(digest)?.take(limit).read_to_end(&mut bytes);
        read.map_err(|error| Layout::failed(digest, error))?;
        Ok(bytes)
    }
}

/// Hashes what passes, as the readers of a bundle do.
struct Checked {
    file: fs_err::File,
    digest: Digest,
    hasher: Option<Hasher>,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        match &mut self.hasher {
            Some(hasher) if count > 0 => hasher.update(&buffer[..count]),
            _ => {
                let found = self.hasher.take().map(Hasher::finish);
                if found.is_some_and(|found| found != self.digest) {
                    return Err(io::Error::other("the bytes are not those of the digest"));
                }
            }
        }
        Ok(count)
    }
}
