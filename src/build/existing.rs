//! Finds out whether the bundle that is about to be built lies on the medium already, complete and undamaged.
//!
//! Volume 1, which holds the manifest, gets its name last. So when its manifest is the expected one, all
//! other files were in place before it, and what remains to be checked is that nothing was damaged since.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::build::volumes::Written;
use crate::bundle::arrangement::Arrangement;
use crate::bundle::reader::Bundle;
use crate::error::Result;
use crate::progress::{Progress, Stage};
use crate::store::cache::hash_file;
use crate::trust::allowed_signers::AllowedSigners;
use crate::trust::key::PublicKey;
use crate::trust::policy::{Policy, Unsigned};
use crate::trust::signature::{self, CHECKSUMS_NAMESPACE};

/// Largest list of checksums that is read, in bytes; one of 10,000 volumes has a megabyte.
const SUMS_LIMIT: u64 = 4 << 20;

/// What a finished build leaves on the medium.
pub struct Expected {
    /// `NAME-VERSION`.
    pub stem: String,
    /// The directory of the bundle.
    pub directory: PathBuf,
    /// The volumes, in order.
    pub volumes: Vec<PathBuf>,
    /// Where everything lies in them.
    pub arrangement: Arrangement,
    /// The bytes of the manifest.
    pub manifest: Vec<u8>,
    /// The airlock programs beside the volumes.
    pub installers: Vec<Written>,
}

/// Whether everything expected is there with the right bytes. Whatever is not as expected, unreadable
/// included, is simply a reason to build.
pub fn is_complete(expected: &Expected, signer: Option<&PublicKey>, progress: &dyn Progress) -> Result<bool> {
    if !expected.volumes.iter().all(|volume| volume.is_file()) || !has_sidecars(expected, signer) {
        return Ok(false);
    }
    let policy = policy(signer)?;
    let opened = Bundle::open_volumes(&expected.volumes).and_then(|bundle| bundle.verify(&policy));
    let Ok(bundle) = opened else { return Ok(false) };
    if bundle.manifest_bytes() != expected.manifest || *bundle.arrangement() != expected.arrangement {
        return Ok(false);
    }
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let report = bundle.check_all(threads, Stage::Check, progress);
    Ok(report.and_then(|report| report.into_result()).is_ok())
}

/// Trusts the key that would sign now, and no other; without one, only a bundle without signature will do.
fn policy(signer: Option<&PublicKey>) -> Result<Policy> {
    let Some(key) = signer else {
        return Ok(Policy { unsigned: Unsigned::AllowLoudly, ..Policy::new(AllowedSigners::default()) });
    };
    AllowedSigners::parse("the signing key", &key.allowed_line("builder")).map(Policy::new)
}

fn has_sidecars(expected: &Expected, signer: Option<&PublicKey>) -> bool {
    let installers = expected.installers.iter().all(|installer| {
        hash_file(&installer.path).is_ok_and(|found| found == (installer.digest, installer.size))
    });
    let sums_path = expected.directory.join(format!("{}.sha256", expected.stem));
    let Some(sums) = read_small(&sums_path) else { return false };
    installers
        && expected.directory.join("README.txt").is_file()
        && lists_exactly(&String::from_utf8_lossy(&sums), expected)
        && is_signed(&sums, &sums_path.with_extension("sha256.sig"), signer)
}

fn read_small(path: &Path) -> Option<Vec<u8>> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.len() <= SUMS_LIMIT { fs::read(path).ok() } else { None }
}

fn lists_exactly(sums: &str, expected: &Expected) -> bool {
    let listed = sums.lines().map(|line| line.split_once("  ").map(|(_, name)| name.to_owned()));
    let files = expected.installers.iter().map(|installer| &installer.path).chain(&expected.volumes);
    listed.eq(files.map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned())))
}

fn is_signed(sums: &[u8], path: &Path, signer: Option<&PublicKey>) -> bool {
    match (signer, read_small(path)) {
        (Some(key), Some(armor)) => signature::check("checksums", &armor, CHECKSUMS_NAMESPACE, sums)
            .is_ok_and(|found| found.is_same(key)),
        (None, None) => true,
        _ => false,
    }
}
