//! Checks the files of a store against what `bundle-spec/store.md` promises, without the code that wrote them.

use std::path::{Path, PathBuf};

use airlock::oci::digest::{Algorithm, ContentDigest};

use crate::store_server::Result;

/// Fails if a blob is not what its name says, or a tag names what is missing.
pub fn check(store: &Path) -> Result<()> {
    if !store.join("oci-layout").exists() {
        return Ok(());
    }
    for algorithm in Algorithm::ALL {
        for path in files_below(&store.join("blobs").join(algorithm.name()))? {
            let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name that is no text")?;
            if ContentDigest::of(algorithm, &fs_err::read(&path)?).hex() != name {
                return Err(format!("the bytes of {} are not those of its name", path.display()).into());
            }
        }
    }
    for path in files_below(&store.join("names"))? {
        let directory = path.parent().filter(|directory| directory.ends_with("_tags"));
        let Some(repository) = directory.and_then(Path::parent) else { continue };
        check_tag(store, repository, &path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn check_tag(store: &Path, repository: &Path, tag: &Path) -> Result<()> {
    let digest: ContentDigest = fs_err::read_to_string(tag)?.parse()?;
    if !place(&repository.join("_manifests"), &digest).exists() {
        return Err(format!("the repository does not have {digest}").into());
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs_err::read(place(&store.join("blobs"), &digest))?)?;
    let layers = manifest["layers"].as_array().ok_or("a manifest without layers")?;
    for descriptor in layers.iter().chain([&manifest["config"]]) {
        let digest: ContentDigest = descriptor["digest"].as_str().ok_or("no digest")?.parse()?;
        for directory in [store.join("blobs"), repository.join("_blobs")] {
            if !place(&directory, &digest).exists() {
                return Err(format!("{digest} is not in {}", directory.display()).into());
            }
        }
    }
    Ok(())
}

fn place(directory: &Path, digest: &ContentDigest) -> PathBuf {
    directory.join(digest.algorithm().name()).join(digest.hex())
}

/// All files below a directory; none if it does not exist.
pub fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut pending) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = pending.pop() {
        if !directory.exists() {
            continue;
        }
        for entry in fs_err::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() { pending.push(path) } else { found.push(path) }
        }
    }
    Ok(found)
}
