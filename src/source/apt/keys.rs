//! The keys whose signature counts for a repository, from wherever the spec or this machine has them.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::Bench;
use super::release::Family;
use crate::debian::openpgp::{Fingerprint, Keyring};
use crate::debian::sources;
use crate::error::{Error, Result, codes};
use crate::fetch::Limits;
use crate::spec::apt::SignedBy;

/// Largest keyring, in bytes; that of all Debian releases has 70 KiB.
pub(super) const SIZE_LIMIT: u64 = 4 << 20;

/// The keys that the spec names.
pub(super) async fn named(bench: &Bench<'_>, signed_by: &SignedBy) -> Result<Keyring> {
    match signed_by {
        SignedBy::File { path, fingerprints } => {
            pinned(read(&bench.directory.join(path))?, fingerprints, &path.display().to_string())
        }
        SignedBy::Armored(text) => Keyring::parse(text.as_bytes(), "the key in bundle.yaml"),
        SignedBy::Url { url, fingerprints } => {
            let document = bench.gatherer.client().document(url, Limits { max_size: SIZE_LIMIT }).await?;
            // Without fingerprints a key from the network would vouch for itself.
            Keyring::parse(&document.bytes, url)?.pinned_to(fingerprints, url)
        }
    }
}

/// The keys that this machine has for the archive of a distribution: those its own list of sources names, else
/// those of the distribution's keyring.
pub(super) fn of_machine(
    bench: &Bench<'_>,
    signed_by: &[sources::SignedBy],
    family: Family,
) -> Result<Keyring> {
    let mut found: Vec<Keyring> = Vec::new();
    let mut fingerprints = Vec::new();
    for key in signed_by {
        match key {
            sources::SignedBy::Path(path) => found.push(read(Path::new(path))?),
            sources::SignedBy::Armored(text) => {
                found.push(Keyring::parse(text.as_bytes(), "the key in this machine's list of sources")?);
            }
            sources::SignedBy::Fingerprint(fingerprint) => fingerprints.push(fingerprint.clone()),
        }
    }
    if found.is_empty() {
        found.extend(distribution_keyring(bench, family).map(|path| read(&path)).transpose()?);
    }
    let joined = found.into_iter().reduce(Keyring::joined_with).ok_or_else(|| unknown(family))?;
    pinned(joined, &fingerprints, "this machine's keyring")
}

/// The keyring file of a distribution, in whichever directory it lies. Newer releases end it in `.pgp`.
fn distribution_keyring(bench: &Bench<'_>, family: Family) -> Option<PathBuf> {
    let names = ["gpg", "pgp"].map(|ending| format!("{}.{ending}", family.keyring()));
    let directories = bench.machine.keyring_directories.iter();
    directories
        .flat_map(|directory| names.iter().map(|name| directory.join(name)))
        .find(|path| path.is_file())
}

fn pinned(keyring: Keyring, fingerprints: &[Fingerprint], name: &str) -> Result<Keyring> {
    if fingerprints.is_empty() { Ok(keyring) } else { keyring.pinned_to(fingerprints, name) }
}

fn read(path: &Path) -> Result<Keyring> {
    Keyring::parse(&bytes(path)?, &path.display().to_string())
}

/// The bytes of a keyring file.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>> {
    let cannot = |reason: String| {
        Error::new(codes::DEBIAN_KEYRING, format!("the keyring {} {reason}", path.display())).with_help(
            "name a file of public OpenPGP keys under `signedBy`, relative to bundle.yaml or absolute",
        )
    };
    let read = || {
        let length = fs::metadata(path)?.len();
        (length <= SIZE_LIMIT).then(|| fs::read(path)).transpose()
    };
    let bytes = read().map_err(|cause| cannot("cannot be read".to_owned()).with_source(cause))?;
    bytes.ok_or_else(|| cannot("has more than 4 MiB".to_owned()))
}

fn unknown(family: Family) -> Error {
    let (name, package) = (family.name(), family.keyring());
    let package = package.strip_suffix("-archive-keyring").filter(|_| family == Family::Ubuntu);
    let package = package.map_or_else(|| family.keyring().to_owned(), |name| format!("{name}-keyring"));
    Error::new(codes::APT_KEYS_UNKNOWN, format!("this machine has no keys for the archive of {name}")).with_help(
        format!(
            "install them (`apt-get install {package}`), or name a keyring: `archive: {{signedBy: FILE}}` at the \
             target in bundle.yaml"
        ),
    )
}
