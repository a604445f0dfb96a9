//! Package indices: which files of a repository to fetch, and what is in them once they were checked.

mod decode;
mod xz;

use crate::debian::release::{Checksum, Release};
use crate::error::{Error, Result, codes};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `.xz`
    Xz,
    /// `.zst`
    Zstd,
    /// `.gz`
    Gzip,
    /// Not at all.
    None,
}

impl Compression {
    /// From the one with the least to fetch to the one with the most.
    const PREFERRED: [Compression; 4] =
        [Compression::Xz, Compression::Zstd, Compression::Gzip, Compression::None];

    /// What file names end with.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::Xz => ".xz",
            Compression::Zstd => ".zst",
            Compression::Gzip => ".gz",
            Compression::None => "",
        }
    }
}

/// A file `Packages` of a repository, in one of its compressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFile {
    /// Its path, relative to the directory of the `Release` file.
    pub path: String,
    /// Its path by digest, which does not change its content; to be tried first where it is there.
    pub by_hash: Option<String>,
    /// How it is compressed.
    pub compression: Compression,
    /// Size and digests as it is fetched.
    pub packed: Checksum,
    /// Size and digests after decompression; a few repositories do not list them.
    pub unpacked: Option<Checksum>,
}

/// The index files of `component` for `architecture`; of the whole repository if it is flat and has no
/// components. Packages for all architectures are in the same file or in a second one.
///
/// # Errors
/// [`codes::DEBIAN_INDEX_MISSING`] if the repository has no such component or architecture.
pub fn index_files(
    release: &Release<'_>,
    component: Option<&str>,
    architecture: &str,
) -> Result<Vec<IndexFile>> {
    let Some(component) = component else {
        return Ok(vec![choose(release, "Packages").ok_or_else(|| missing(release, "no index `Packages`"))?]);
    };
    // Security suites call the component `updates/main`; its files are in `main` (as apt does it).
    let directory = component.rsplit('/').next().unwrap_or(component);
    let path = |architecture: &str| format!("{directory}/binary-{architecture}/Packages");
    let Some(own) = choose(release, &path(architecture)) else {
        let what = format!("no packages of component `{component}` for {architecture}");
        return Err(missing(release, &what));
    };
    let separate = release.architectures.contains(&"all") && !release.repeats_all;
    let all = separate.then(|| choose(release, &path("all"))).flatten();
    Ok([Some(own), all].into_iter().flatten().collect())
}

/// The smallest compression of a file that we can read.
fn choose(release: &Release<'_>, plain: &str) -> Option<IndexFile> {
    Compression::PREFERRED.iter().find_map(|compression| {
        let path = format!("{plain}{}", compression.suffix());
        let packed = *release.file(&path)?;
        let by_hash = release.acquire_by_hash.then(|| by_hash(&path, &packed));
        Some(IndexFile {
            path,
            by_hash,
            compression: *compression,
            packed,
            unpacked: release.file(plain).copied(),
        })
    })
}

/// The path under the strongest digest listed, which is the one that has to exist.
fn by_hash(path: &str, checksum: &Checksum) -> String {
    let directory = path.rsplit_once('/').map(|(directory, _)| format!("{directory}/")).unwrap_or_default();
    match (checksum.sha512, checksum.sha256) {
        (Some(sha512), _) => format!("{directory}by-hash/SHA512/{}", sha512.hex()),
        (None, Some(sha256)) => format!("{directory}by-hash/SHA256/{}", sha256.hex()),
        (None, None) => path.to_owned(),
    }
}

fn missing(release: &Release<'_>, what: &str) -> Error {
    let list = |words: &[&str]| words.join(" ").escape_debug().to_string();
    Error::new(codes::DEBIAN_INDEX_MISSING, format!("the repository has {what}"))
        .with_detail(format!("its components: {}", list(&release.components)))
        .with_detail(format!("its architectures: {}", list(&release.architectures)))
        .with_help("name components and architectures that the repository has, under `apt:` in bundle.yaml")
}

#[cfg(test)]
mod tests;
