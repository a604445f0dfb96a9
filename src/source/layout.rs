//! Images that lie on the provisioner's disk: OCI image layouts as directory or archive
//! (OCI image-spec, "Image Layout"), and the output of `docker save`.
//!
//! A directory is read where it lies. An archive is streamed once into the cache, since its members can
//! come in any order and may be compressed.

pub mod docker;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;
use oci_client::manifest::OciImageIndex;
use serde::Deserialize;

use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::reference::Reference;
use crate::source::archive::{Member, each_member, not_an_archive};
use crate::source::local::unreadable;
use crate::store::cache::{BUFFER, Cache};

/// Annotations that carry the name of an image, in the order they are believed.
const NAME_ANNOTATIONS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// Largest `index.json`, in bytes.
const INDEX_LIMIT: u64 = 4 << 20;

/// An opened layout: what its `index.json` offers.
#[derive(Debug)]
pub struct Layout {
    shown: String,
    entries: Vec<Entry>,
}

/// One entry of `index.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names by which the image is known there; none for a bare manifest.
    pub names: Vec<String>,
    /// Media type of the manifest.
    pub media_type: String,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Size of the manifest in bytes.
    pub size: u64,
}

impl Entry {
    /// Whether this is the image `wanted`. Docker leaves out `docker.io/library/` in the names it writes.
    fn is_called(&self, wanted: &str) -> bool {
        let full = |name: &String| name.parse::<Reference>().map(|reference| reference.to_string());
        self.names.iter().any(|name| name == wanted || full(name).is_ok_and(|full| full == wanted))
    }
}

impl Layout {
    /// Opens a layout directory.
    pub fn open_directory(directory: &Path) -> Result<Layout> {
        let shown = directory.display().to_string();
        let read = |name: &str| {
            let path = directory.join(name);
            let mut bytes = Vec::new();
            fs::File::open(path)
                .and_then(|file| file.take(INDEX_LIMIT + 1).read_to_end(&mut bytes))
                .map_err(|error| {
                    unreadable(&shown, error).with_help(if directory.is_file() {
                        "for an archive use `oci-archive:FILE` or `docker-archive:FILE`"
                    } else {
                        "an OCI layout directory holds `oci-layout` and `index.json`"
                    })
                })?;
            Ok(bytes)
        };
        check_version(&shown, &read("oci-layout")?)?;
        Layout::parse(&shown, &read("index.json")?)
    }

    /// Streams an archived layout into the cache.
    pub fn import_archive(path: &Path, cache: &Cache) -> Result<Layout> {
        let shown = path.display().to_string();
        let mut heads: HashMap<String, Vec<u8>> = HashMap::new();
        each_member(path, |name, member, content| {
            let Member::File(size) = member else { return Ok(()) };
            match name {
                "oci-layout" | "index.json" if size <= INDEX_LIMIT => {
                    let mut bytes = Vec::new();
                    content.read_to_end(&mut bytes).map_err(|error| unreadable(&shown, error))?;
                    heads.insert(name.to_owned(), bytes);
                }
                _ => {
                    if let Some(hex) = name.strip_prefix("blobs/sha256/") {
                        store(cache, content, path, size, Some(Digest::from_hex(hex)?))?;
                    }
                }
            }
            Ok(())
        })?;
        let head = |name: &str| {
            heads.get(name).ok_or_else(|| not_an_archive(path, &format!("it has no member `{name}`")))
        };
        check_version(&shown, head("oci-layout")?)?;
        Layout::parse(&shown, head("index.json")?)
    }

    /// Reads `index.json`.
    fn parse(shown: &str, index: &[u8]) -> Result<Layout> {
        let broken = || not_an_archive(Path::new(shown), "its index.json is not an OCI index");
        if index.len() as u64 > INDEX_LIMIT {
            return Err(broken());
        }
        let index: OciImageIndex =
            serde_json::from_slice(index).map_err(|error| broken().with_source(error))?;
        let entries = index.manifests.into_iter().map(|entry| {
            let annotations = entry.annotations.unwrap_or_default();
            Ok(Entry {
                names: NAME_ANNOTATIONS.iter().filter_map(|key| annotations.get(*key).cloned()).collect(),
                media_type: entry.media_type,
                digest: entry.digest.parse()?,
                size: u64::try_from(entry.size).map_err(|_| broken())?,
            })
        });
        Ok(Layout { shown: shown.to_owned(), entries: entries.collect::<Result<_>>()? })
    }

    /// Everything `index.json` lists.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The image that is meant: by `name` if given, else the only one, else the one that is called as
    /// `reference` or its tag.
    pub fn choose(&self, name: Option<&str>, reference: &Reference) -> Result<&Entry> {
        let called = |wanted: &str| self.entries.iter().find(|entry| entry.is_called(wanted));
        let chosen = match (name, self.entries.as_slice()) {
            (Some(name), _) => called(name),
            (None, [only]) => Some(only),
            (None, _) => called(&reference.to_string()).or_else(|| reference.tag().and_then(called)),
        };
        chosen.ok_or_else(|| self.lacks(name.unwrap_or(&reference.to_string())))
    }

    fn lacks(&self, wanted: &str) -> Error {
        let names: Vec<String> = self.entries.iter().flat_map(|entry| entry.names.clone()).collect();
        let help = if names.is_empty() {
            "its images have no names; keep one image per layout".to_owned()
        } else {
            format!("append one of its names after a colon: {}", names.join(", "))
        };
        Error::new(codes::SOURCE_IMAGE, format!("{} has no image `{wanted}`", self.shown)).with_help(help)
    }
}

/// Copies one member of `size` bytes into the cache; its digest and size.
fn store(
    cache: &Cache,
    content: &mut dyn Read,
    archive: &Path,
    size: u64,
    expected: Option<Digest>,
) -> Result<(Digest, u64)> {
    let shown = archive.display().to_string();
    // The digest is unknown before the end in `docker save` archives, so the partial file needs a name of
    // its own. One name is enough: its lock lets imports take turns, and a leftover is simply used again.
    let name = expected.map_or_else(|| "import".to_owned(), |digest| digest.hex());
    let mut partial = cache.partial(&name)?;
    partial.restart()?;
    let mut buffer = vec![0; BUFFER];
    loop {
        match content.read(&mut buffer).map_err(|error| ends_early(archive).with_source(error))? {
            0 => break,
            count => partial.append(&buffer[..count])?,
        }
    }
    if partial.length() < size {
        return Err(ends_early(archive));
    }
    partial.commit(expected).map_err(|error| {
        error.with_detail(format!("while reading {shown}")).with_help("the archive is damaged: make it anew")
    })
}

fn ends_early(archive: &Path) -> Error {
    not_an_archive(archive, "it is not complete, or its compression is damaged")
}

/// Where a blob of a layout directory lies.
pub fn blob_path(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("blobs/sha256").join(digest.hex())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutVersion {
    image_layout_version: String,
}

fn check_version(shown: &str, bytes: &[u8]) -> Result<()> {
    match serde_json::from_slice::<LayoutVersion>(bytes) {
        Ok(version) if version.image_layout_version.starts_with("1.") => Ok(()),
        _ => Err(not_an_archive(Path::new(shown), "its file oci-layout is not of version 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::archive::tests::tar_of;

    fn layout(names: &[&str]) -> String {
        let entries: Vec<String> = names
            .iter()
            .map(|name| {
                let digest = Digest::of(name.as_bytes());
                format!(
                    r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":3,"annotations":{{"org.opencontainers.image.ref.name":"{name}"}}}}"#
                )
            })
            .collect();
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
    }

    #[test]
    fn the_image_that_is_meant_is_chosen() {
        let reference: Reference = "registry.lab/app:1.0".parse().unwrap();
        let one = Layout::parse("dir", layout(&["whatever"]).as_bytes()).unwrap();
        assert_eq!(one.choose(None, &reference).unwrap().names, ["whatever"]);
        let two = Layout::parse("dir", layout(&["other", "1.0"]).as_bytes()).unwrap();
        assert_eq!(two.choose(None, &reference).unwrap().names, ["1.0"]);
        assert_eq!(two.choose(Some("other"), &reference).unwrap().names, ["other"]);
        let hub = Layout::parse("dir", layout(&["other", "busybox:1.36"]).as_bytes()).unwrap();
        let busybox: Reference = "docker.io/library/busybox:1.36".parse().unwrap();
        assert_eq!(hub.choose(None, &busybox).unwrap().names, ["busybox:1.36"]);
        let error = two.choose(Some("missing"), &reference).unwrap_err();
        assert_eq!(error.code(), codes::SOURCE_IMAGE);
        assert_eq!(error.help(), Some("append one of its names after a colon: other, 1.0"));
    }

    #[test]
    fn an_archive_lands_in_the_cache_and_wrong_blobs_do_not() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let digest = Digest::of(b"blob");
        let blob = format!("blobs/sha256/{}", digest.hex());
        let version = br#"{"imageLayoutVersion":"1.0.0"}"#;
        let index = layout(&["a"]);
        let write = |content: &[u8]| {
            let path = directory.path().join("image.tar");
            fs::write(
                &path,
                tar_of(&[("oci-layout", version), (&blob, content), ("index.json", index.as_bytes())]),
            )
            .unwrap();
            path
        };
        let imported = Layout::import_archive(&write(b"blob"), &cache).unwrap();
        assert_eq!(imported.entries().len(), 1);
        assert!(cache.check(&digest, 4).unwrap());
        fs::remove_file(cache.path(&digest)).unwrap();
        let error = Layout::import_archive(&write(b"BLOB"), &cache).unwrap_err();
        assert_eq!(error.kind().exit_status(), 4);
        assert!(!cache.has(&digest, 4));
    }

    #[test]
    fn things_that_are_no_layout_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Layout::open_directory(directory.path()).unwrap_err().code(), codes::SOURCE_READ);
        fs::write(directory.path().join("oci-layout"), "{}").unwrap();
        fs::write(directory.path().join("index.json"), "{}").unwrap();
        assert_eq!(Layout::open_directory(directory.path()).unwrap_err().code(), codes::SOURCE_FORMAT);
        fs::write(directory.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        assert_eq!(Layout::open_directory(directory.path()).unwrap_err().code(), codes::SOURCE_FORMAT);
    }
}
