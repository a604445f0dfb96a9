//! Plain files: by URL or by path, pinned by digest.

use std::path::Path;

use crate::error::{Error, Result, codes};
use crate::fetch::Location;
use crate::lock;
use crate::oci::digest::Digest;
use crate::source::gather::{Gatherer, Wanted};
use crate::source::local::{self, LocalFile};
use crate::source::secrets;
use crate::source::shelf::{Blob, Origin};
use crate::spec::{FileEntry, FileSource};
use crate::store::cache::Cache;

/// Largest file, in bytes: 1 TiB, the bound of every size in a bundle.
const SIZE_LIMIT: u64 = 1 << 40;

/// A file whose content is pinned.
#[derive(Debug)]
pub struct Opened {
    /// Its entry in the lock.
    pub locked: lock::File,
    /// Its bytes.
    pub blob: Blob,
}

/// Resolves an entry of the spec to what is there today: several files if it is a pattern.
/// `directory` is the spec's; `transport` says how the server of a URL is reached.
pub async fn resolve(
    gatherer: &Gatherer,
    entry: &FileEntry,
    directory: &Path,
    transport: &str,
) -> Result<Vec<Opened>> {
    match &entry.source {
        FileSource::Url(url) => Ok(vec![remote(gatherer, entry, url, transport).await?]),
        FileSource::Generated { origin, text } => Ok(vec![generated(gatherer.cache(), entry, origin, text)?]),
        FileSource::Path(path) => {
            let files = local::expand(path, directory)?;
            let entry = entry.clone();
            tokio::task::spawn_blocking(move || files.iter().map(|file| read(&entry, file)).collect())
                .await
                .map_err(|error| {
                Error::new(codes::INTERNAL, "reading files ended unexpectedly").with_source(error)
            })?
        }
    }
}

/// Opens what the lock pins for an entry; `None` when the lock does not answer the entry as it is written.
pub async fn open(
    gatherer: &Gatherer,
    entry: &FileEntry,
    directory: &Path,
    locked: &[lock::File],
) -> Result<Option<Vec<Opened>>> {
    let sources: Vec<(String, String, Origin)> = match &entry.source {
        FileSource::Url(url) => vec![(entry.path.clone(), url.clone(), Origin::Remote(Location::url(url)?))],
        FileSource::Path(path) => local::expand(path, directory)?
            .into_iter()
            .map(|file| (destination(entry, &file), file.origin, Origin::File(file.path)))
            .collect(),
        FileSource::Generated { origin, text } => {
            let made = generated(gatherer.cache(), entry, origin, text)?;
            return Ok(locked.contains(&made.locked).then(|| vec![made]));
        }
    };
    let mut opened = Vec::new();
    for (path, source, origin) in sources {
        let found =
            locked.iter().find(|file| file.path == path && file.origin == source && file.mode == mode(entry));
        match found.filter(|file| file.allow_secret == entry.allow_secret) {
            Some(file) if entry.digest.is_none_or(|digest| digest == file.digest) => {
                let blob = Blob { digest: file.digest, size: file.size, origin };
                opened.push(Opened { locked: file.clone(), blob });
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(opened))
}

async fn remote(gatherer: &Gatherer, entry: &FileEntry, url: &str, transport: &str) -> Result<Opened> {
    let location = Location::url(url)?;
    let (digest, size) = match entry.digest {
        Some(digest) => {
            let size = gatherer.client().size(url).await?;
            gatherer
                .one(&Wanted { digest, size, location: location.clone(), name: entry.path.clone() })
                .await?;
            (digest, size)
        }
        None => gatherer.unpinned(url, SIZE_LIMIT).await?,
    };
    let head = head(&gatherer.cache().path(&digest))?;
    if let Some(kind) = secrets::find(&head).filter(|_| !entry.allow_secret) {
        return Err(local::refuse_secret(url, kind));
    }
    let proof = if entry.digest.is_some() { "sha256 in bundle.yaml" } else { transport };
    Ok(opened(entry, entry.path.clone(), url, (digest, size), proof, Origin::Remote(location)))
}

fn generated(cache: &Cache, entry: &FileEntry, origin: &str, text: &str) -> Result<Opened> {
    let digest = cache.put(text.as_bytes())?;
    let found = (digest, text.len() as u64);
    Ok(opened(entry, entry.path.clone(), origin, found, "made by airlock", Origin::Cached))
}

fn head(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut head = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(secrets::LOOK_AT as u64).read_to_end(&mut head))
        .map_err(|error| Error::new(codes::CACHE_IO, "the cache cannot be read").with_source(error))?;
    Ok(head)
}

fn read(entry: &FileEntry, file: &LocalFile) -> Result<Opened> {
    let (digest, size, secret) = local::examine(file)?;
    if let Some(kind) = secret.filter(|_| !entry.allow_secret) {
        return Err(local::refuse_secret(&file.origin, kind));
    }
    if let Some(expected) = entry.digest.filter(|expected| *expected != digest) {
        return Err(Error::new(
            codes::WRONG_DIGEST,
            format!("`{}` is not the file that bundle.yaml names", file.origin),
        )
        .with_detail(format!("bundle.yaml says sha256 {}", expected.hex()))
        .with_detail(format!("the file has     sha256 {}", digest.hex()))
        .with_help(format!(
            "line {} of bundle.yaml: correct `sha256`, or bring the right file",
            entry.line
        )));
    }
    let proof = if entry.digest.is_some() { "sha256 in bundle.yaml" } else { "local file" };
    let origin = Origin::File(file.path.clone());
    Ok(opened(entry, destination(entry, file), &file.origin, (digest, size), proof, origin))
}

fn opened(
    entry: &FileEntry,
    path: String,
    source: &str,
    found: (Digest, u64),
    proof: &str,
    origin: Origin,
) -> Opened {
    let (digest, size) = found;
    let locked = lock::File {
        path,
        mode: mode(entry),
        origin: source.to_owned(),
        allow_secret: entry.allow_secret,
        digest,
        size,
        authenticated_by: proof.to_owned(),
    };
    Opened { locked, blob: Blob { digest, size, origin } }
}

fn mode(entry: &FileEntry) -> String {
    format!("{:04o}", entry.mode)
}

/// A destination that ends in `/` is a directory: the name of the file is appended.
fn destination(entry: &FileEntry, file: &LocalFile) -> String {
    if entry.path.ends_with('/') { format!("{}{}", entry.path, file.name) } else { entry.path.clone() }
}
