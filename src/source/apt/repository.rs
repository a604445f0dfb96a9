//! The repository of a target: signed once, with a key that is forgotten at once, and from then on made again from
//! the lock.

use jiff::Timestamp;
use ssh_key::rand_core::{OsRng, RngCore};

use super::release::Release;
use crate::debian::openpgp::{Keyring, SigningKey};
use crate::debian::package::{Package, parse_index};
use crate::debian::release::SignedRelease;
use crate::debian::repository::{Description, Listing, Offered, PACKAGES, list};
use crate::error::{Error, Result, codes};
use crate::lock::apt as lock;
use crate::oci::digest::Digest;
use crate::secret::Secret;

/// User ID of the keys, for people who look at them with gpg.
const KEY_NAME: &str = "Airlock bundle (used once)";

/// A signature over a repository and the key it can be checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    /// The armored public key.
    pub(super) keyring: String,
    pub(super) in_release: String,
}

/// What a stored signature is worth for a repository that was made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is for exactly these bytes.
    Valid,
    /// The packages are those it is for, but another version of the compressor packed their list.
    PackedOtherwise,
}

/// Lists what a lock entry carries.
pub(super) fn listing(packages: &[lock::Package]) -> Result<Listing> {
    let text = packages.iter().map(|package| package.stanza.as_str()).collect::<Vec<_>>().join("\n");
    let parsed = parse_index(text.as_bytes())?;
    if let Some(error) = parsed.unusable.into_iter().next() {
        return Err(contradiction("a stanza cannot be used").with_source(error));
    }
    let is_same = |(stanza, locked): (&Package<'_>, &lock::Package)| {
        stanza.name == locked.name
            && stanza.version.as_str() == locked.version
            && stanza.architecture == locked.architecture
            && stanza.archive.is_some_and(|archive| archive.size == locked.size)
    };
    if parsed.usable.len() != packages.len() || !parsed.usable.iter().zip(packages).all(is_same) {
        return Err(contradiction("a stanza is not that of its package"));
    }
    let offered = parsed.usable.iter().zip(packages);
    let offered: Vec<Offered<'_>> =
        offered.map(|(package, locked)| Offered { package, digest: locked.digest }).collect();
    let listing = list(&offered)?;
    // What the listing leaves out as a repetition would be missing from the bundle.
    if listing.archives().len() == packages.len() {
        Ok(listing)
    } else {
        Err(contradiction("a package is there twice"))
    }
}

impl Signature {
    /// The one that a lock entry has.
    pub(super) fn of(locked: &lock::Apt) -> Signature {
        Signature { keyring: locked.keyring.clone(), in_release: locked.in_release.clone() }
    }

    /// Signs a repository with a new key, which nobody ever has again.
    pub(super) fn make(listing: &Listing, release: &Release, date: Timestamp) -> Result<Signature> {
        let mut seed = [0; 32];
        OsRng.try_fill_bytes(&mut seed).map_err(|cause| {
            Error::new(codes::INTERNAL, "the system gives no random bytes").with_source(cause.to_string())
        })?;
        let key = SigningKey::from_seed(&Secret::new(seed), KEY_NAME)?;
        let description = Description {
            origin: "Airlock",
            label: "Airlock",
            suite: "airlock",
            codename: release.codename,
            date,
        };
        Ok(Signature { keyring: key.armored_keyring()?, in_release: listing.sign(&description, &key)? })
    }

    /// Whether it is for this repository, by the same code that reads those of others.
    ///
    /// # Errors
    /// [`codes::APT_LOCK_CONTRADICTS`] if it is for other packages, or no signature at all.
    pub(super) fn check(&self, listing: &Listing, now: Timestamp) -> Result<Verdict> {
        let refused = |cause: Error| contradiction("its signature is not valid").with_source(cause);
        let keyring = Keyring::parse(self.keyring.as_bytes(), "the key in bundle.lock").map_err(refused)?;
        let message = self.in_release.as_bytes();
        let signed = SignedRelease::verify_inline(message, "bundle.lock", &keyring, now).map_err(refused)?;
        let release = signed.release().map_err(refused)?;
        let mut verdict = Verdict::Valid;
        for (path, bytes) in listing.indices() {
            let listed = release.file(path).map(|checksum| (checksum.sha256, checksum.size));
            if listed == Some((Some(Digest::of(bytes)), bytes.len() as u64)) {
                continue;
            }
            if path == PACKAGES {
                return Err(contradiction("its signature is for other packages"));
            }
            verdict = Verdict::PackedOtherwise;
        }
        Ok(verdict)
    }
}

fn contradiction(reason: &str) -> Error {
    Error::new(codes::APT_LOCK_CONTRADICTS, format!("bundle.lock contradicts itself: {reason}"))
        .with_help("restore bundle.lock from git; it is not to be edited by hand")
}

#[cfg(test)]
mod tests;
