//! Makes a large store by writing the documented layout (`bundle-spec/store.md`), as another importer might.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use airlock::oci::digest::Digest;
use serde_json::json;

use super::Result;
use super::airlock_program::remove;

/// Tags in one repository.
pub const TAGS: u64 = 100;
/// Everything is older than any time of grace that is asked for.
const AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Files that two processors write at once.
const THREADS: u64 = 2;

/// How large a store is.
#[derive(Clone, Copy, PartialEq)]
pub struct Size {
    /// Blobs, manifests among them.
    pub blobs: u64,
    /// Tags, each of an image of its own.
    pub tags: u64,
}

impl Size {
    /// Repositories, each with [`TAGS`] tags.
    pub fn repositories(self) -> u64 {
        self.tags.div_ceil(TAGS)
    }

    /// Layers of one image, besides its configuration and manifest.
    fn layers(self) -> u64 {
        (self.blobs / self.tags).saturating_sub(2)
    }
}

/// The path of a repository, below `docker.io`.
pub fn repository(number: u64) -> String {
    format!("scale/repository-{number}")
}

/// Where a repository lies.
pub fn directory(store: &Path, number: u64) -> PathBuf {
    store.join("names/docker.io").join(repository(number))
}

/// Makes the store anew.
pub fn make(store: &Path, size: Size) -> Result<()> {
    if store.exists() {
        remove(store)?;
    }
    for name in ["blobs/sha256", "blobs/sha512", "names", "uploads", "bundles", "incoming"] {
        fs_err::create_dir_all(store.join(name))?;
    }
    fs_err::write(store.join("lock"), "")?;
    let work = |first: u64| -> std::io::Result<()> {
        (first..size.repositories())
            .step_by(THREADS as usize)
            .try_for_each(|number| fill(store, size, number))
    };
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..THREADS).map(|first| scope.spawn(move || work(first))).collect();
        for worker in workers {
            worker.join().map_err(|_| "a thread has died")??;
        }
        Ok(())
    })?;
    Ok(fs_err::write(store.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?)
}

fn fill(store: &Path, size: Size, number: u64) -> std::io::Result<()> {
    let repository = directory(store, number);
    for name in ["_tags", "_manifests/sha256", "_blobs/sha256"] {
        fs_err::create_dir_all(repository.join(name))?;
    }
    for tag in 0..TAGS.min(size.tags - number * TAGS) {
        let image = number * TAGS + tag;
        let config = member(store, &repository, format!("{{\"image\":{image}}}").as_bytes())?;
        let layers = (0..size.layers())
            .map(|layer| member(store, &repository, format!("layer {layer} of {image}").as_bytes()));
        let layers = layers.collect::<std::io::Result<Vec<_>>>()?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": super::images::OCI_MANIFEST, "config": config, "layers": layers,
        });
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        write(&store.join("blobs/sha256").join(digest.hex()), &bytes)?;
        write(
            &repository.join("_manifests/sha256").join(digest.hex()),
            super::images::OCI_MANIFEST.as_bytes(),
        )?;
        write(&repository.join("_tags").join(format!("{tag}")), digest.to_string().as_bytes())?;
    }
    Ok(())
}

/// Writes a blob that the repository has, and returns its descriptor.
fn member(store: &Path, repository: &Path, bytes: &[u8]) -> std::io::Result<serde_json::Value> {
    let digest = Digest::of(bytes);
    write(&store.join("blobs/sha256").join(digest.hex()), bytes)?;
    write(&repository.join("_blobs/sha256").join(digest.hex()), b"")?;
    Ok(json!({"mediaType": "application/octet-stream", "digest": digest, "size": bytes.len()}))
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = fs_err::File::create(path)?;
    file.write_all(bytes)?;
    file.file().set_modified(SystemTime::now() - AGE)
}
