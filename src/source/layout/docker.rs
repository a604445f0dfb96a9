//! `docker save` archives. They name layers by path and hold no manifest, so one is made here: always the
//! same bytes for the same image, so that its digest can be pinned.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Entry, Layout, store};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::source::archive::{Member, each_member, not_an_archive};
use crate::source::local::unreadable;
use crate::store::cache::Cache;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Largest JSON document of an archive, in bytes.
const DOCUMENT_LIMIT: u64 = 4 << 20;

/// `manifest.json` of the archive (Docker image specification v1.2, "Combined Image JSON").
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SavedImage {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The part of an image configuration that ties it to its layers.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// The manifest we make. The order of fields is part of its digest and must never change.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    digest: Digest,
    size: u64,
}

/// A member of the archive, by now a blob of the cache.
#[derive(Clone, Copy)]
struct Stored {
    digest: Digest,
    size: u64,
    gzip: bool,
}

/// Streams a `docker save` archive into the cache and makes a manifest for every image in it.
pub fn import(path: &Path, cache: &Cache) -> Result<Layout> {
    let (members, list) = stream(path, cache)?;
    let list = list.ok_or_else(|| not_an_archive(path, "it has no member `manifest.json`"))?;
    let images: Vec<SavedImage> = serde_json::from_slice(&list).map_err(|error| {
        not_an_archive(path, "its manifest.json is not a list of images").with_source(error)
    })?;
    let entries = images.iter().map(|image| entry(path, cache, &members, image));
    Ok(Layout { shown: path.display().to_string(), entries: entries.collect::<Result<_>>()? })
}

type Members = HashMap<String, Stored>;

fn stream(path: &Path, cache: &Cache) -> Result<(Members, Option<Vec<u8>>)> {
    let shown = path.display().to_string();
    let mut members = Members::new();
    let mut links = Vec::new();
    let mut list = None;
    each_member(path, |name, member, content| {
        match member {
            Member::Link(target) => links.push((name.to_owned(), target)),
            Member::File(size) if name == "manifest.json" && size <= DOCUMENT_LIMIT => {
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes).map_err(|error| unreadable(&shown, error))?;
                list = Some(bytes);
            }
            Member::File(size) => {
                let mut head = [0; 2];
                let count = read_head(content, &mut head).map_err(|error| unreadable(&shown, error))?;
                let (digest, size) = store(cache, &mut head[..count].chain(content), path, size, None)?;
                members.insert(name.to_owned(), Stored { digest, size, gzip: head == [0x1f, 0x8b] });
            }
        }
        Ok(())
    })?;
    // Docker links a layer that it has written already; the target may come later in the archive.
    for (name, target) in links {
        if let Some(stored) = members.get(&target).copied() {
            members.insert(name, stored);
        }
    }
    Ok((members, list))
}

fn read_head(content: &mut dyn Read, head: &mut [u8]) -> std::io::Result<usize> {
    let mut count = 0;
    while count < head.len() {
        match content.read(&mut head[count..])? {
            0 => break,
            read => count += read,
        }
    }
    Ok(count)
}

fn entry(path: &Path, cache: &Cache, members: &Members, image: &SavedImage) -> Result<Entry> {
    let find = |name: &String| {
        members
            .get(name.trim_start_matches("./"))
            .copied()
            .ok_or_else(|| not_an_archive(path, &format!("it lacks `{}`", name.escape_debug())))
    };
    let config = find(&image.config)?;
    let layers = image.layers.iter().map(find).collect::<Result<Vec<_>>>()?;
    check_layers(path, cache, config, &layers)?;
    let descriptor =
        |media_type, stored: Stored| Descriptor { media_type, digest: stored.digest, size: stored.size };
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: descriptor(CONFIG, config),
        layers: layers
            .iter()
            .map(|layer| descriptor(if layer.gzip { GZIP_LAYER } else { LAYER }, *layer))
            .collect(),
    };
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|error| Error::new(codes::INTERNAL, "a manifest cannot be rendered").with_source(error))?;
    Ok(Entry {
        names: image.repo_tags.clone().unwrap_or_default(),
        media_type: MANIFEST.to_owned(),
        digest: cache.put(&bytes)?,
        size: bytes.len() as u64,
    })
}

/// Uncompressed layers must be the ones the configuration names, in its order.
fn check_layers(path: &Path, cache: &Cache, config: Stored, layers: &[Stored]) -> Result<()> {
    let bytes = cache.read(&config.digest, DOCUMENT_LIMIT)?.unwrap_or_default();
    let config: Config = serde_json::from_slice(&bytes).map_err(|error| {
        not_an_archive(path, "the configuration of an image is not readable").with_source(error)
    })?;
    let expected = config.rootfs.diff_ids;
    let agree = expected.len() == layers.len()
        && expected.iter().zip(layers).all(|(diff_id, layer)| layer.gzip || layer.digest == *diff_id);
    if agree {
        return Ok(());
    }
    Err(Error::new(
        codes::WRONG_DIGEST,
        format!("layers in {} are not the ones its configuration names", path.display()),
    )
    .with_help("the archive is damaged; make it anew with `docker save`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::archive::tests::tar_of;
    use fs_err as fs;

    fn archive(directory: &Path, layer: &[u8], diff_id: &[u8]) -> std::path::PathBuf {
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            Digest::of(diff_id)
        );
        let list = r#"[{"Config":"c.json","RepoTags":["lab/app:1.0"],"Layers":["l/layer.tar"]}]"#;
        let path = directory.join("saved.tar");
        let files =
            [("l/layer.tar", layer), ("c.json", config.as_bytes()), ("manifest.json", list.as_bytes())];
        fs::write(&path, tar_of(&files)).unwrap();
        path
    }

    #[test]
    fn a_saved_image_gets_the_same_manifest_every_time() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        let path = archive(directory.path(), b"layer", b"layer");
        let first = import(&path, &cache).unwrap();
        let second = import(&path, &cache).unwrap();
        assert_eq!(first.entries(), second.entries());
        let entry = &first.entries()[0];
        assert_eq!(entry.names, ["lab/app:1.0"]);
        let manifest = String::from_utf8(cache.read(&entry.digest, 10_000).unwrap().unwrap()).unwrap();
        insta::assert_snapshot!(manifest);
        assert!(cache.check(&Digest::of(b"layer"), 5).unwrap());
    }

    #[test]
    fn layers_that_contradict_the_configuration_are_corrupt() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        let error = import(&archive(directory.path(), b"LAYER", b"layer"), &cache).unwrap_err();
        assert_eq!(error.kind().exit_status(), 4);
    }
}
