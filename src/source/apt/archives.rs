//! Pins the `.deb`s of a selection by SHA-256, also where the index only knows their SHA-512.

use std::io::{self, Read};
use std::path::Path;

use fs_err as fs;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest as _, Sha512};

use super::Bench;
use super::index::on_thread;
use super::selection::Selected;
use crate::error::{Error, Result, codes};
use crate::lock::apt as lock;
use crate::oci::digest::Digest;
use crate::store::cache::BUFFER;

/// Packages that are looked at at the same time; the gatherer has the final say.
const AT_ONCE: usize = 8;

/// The packages as the lock pins them. Those without SHA-256 are downloaded, unless `old` has the same already.
pub(super) async fn pin(
    bench: &Bench<'_>,
    selected: Vec<Selected>,
    old: Option<&lock::Apt>,
) -> Result<Vec<lock::Package>> {
    let pinned = stream::iter(selected).map(|package| async move {
        let digest = match package.digest {
            Some(digest) => digest,
            None => match known(&package, old) {
                Some(digest) => digest,
                None => download(bench, &package).await?,
            },
        };
        Ok::<_, Error>(locked(package, digest))
    });
    pinned.buffered(AT_ONCE).try_collect().await
}

/// What an earlier lock found out. Its stanza has the same SHA-512, so the bytes are the same.
fn known(package: &Selected, old: Option<&lock::Apt>) -> Option<Digest> {
    let known =
        old?.packages.iter().find(|known| known.stanza == package.stanza && known.url == package.url)?;
    Some(known.digest)
}

async fn download(bench: &Bench<'_>, package: &Selected) -> Result<Digest> {
    let (digest, size) = bench.gatherer.unpinned(&package.url, package.size).await?;
    let path = bench.gatherer.cache().path(&digest);
    let found = on_thread(move || {
        sha512(&path)
            .map_err(|cause| Error::new(codes::CACHE_IO, "the cache cannot be read").with_source(cause))
    })
    .await?;
    if size == package.size && package.sha512.as_deref() == Some(found.as_str()) {
        return Ok(digest);
    }
    let message = format!("{} is not the package that its repository lists", package.url);
    Err(Error::new(codes::APT_PACKAGE_MISMATCH, message)
        .with_detail(format!(
            "expected {} bytes, sha512:{}",
            package.size,
            package.sha512.as_deref().unwrap_or_default()
        ))
        .with_detail(format!("received {size} bytes, sha512:{found}"))
        .with_help(
            "mirrors show this for minutes while they update; try again, and if it stays so, tell its owners",
        ))
}

fn sha512(path: &Path) -> io::Result<String> {
    let mut file = fs::File::open(path)?;
    let mut state = Sha512::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(state.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            count => state.update(&buffer[..count]),
        }
    }
}

fn locked(package: Selected, digest: Digest) -> lock::Package {
    let Selected { name, version, architecture, wanted_by, url, size, stanza, .. } = package;
    lock::Package { name, version, architecture, wanted_by, url, digest, size, stanza }
}
