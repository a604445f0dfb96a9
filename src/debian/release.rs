//! `Release`: what a suite of a repository consists of, with digests ("Debian Repository Format", wiki of
//! Debian; apt-secure(8)). It is only read after its signature was verified.

mod checksums;
mod time;

pub use checksums::{Checksum, Sha512};

use std::collections::HashMap;

use jiff::Timestamp;

use crate::debian::control::stanzas;
use crate::debian::openpgp::{self, Keyring, Signer};
use crate::error::{Error, Result, codes};

/// A `Release` file whose signature was verified. The only way to a [`Release`].
#[derive(Clone, Debug)]
pub struct SignedRelease {
    text: Vec<u8>,
    signer: Signer,
}

/// What a `Release` file says. Fields that are absent are empty.
#[derive(Clone, Debug)]
pub struct Release<'a> {
    /// Who made the repository, such as `Debian`. Pins go by it.
    pub origin: &'a str,
    /// What it is, such as `Debian-Security`.
    pub label: &'a str,
    /// The suite, such as `stable`, or with the words of apt: the archive.
    pub suite: &'a str,
    /// The name of the release, such as `bookworm`.
    pub codename: &'a str,
    /// The version of the release, such as `12.5`.
    pub version: &'a str,
    /// The architectures it has, `all` among them if their indices are separate.
    pub architectures: Vec<&'a str>,
    /// The components it has; those of security suites look like `updates/main`.
    pub components: Vec<&'a str>,
    /// When it was made.
    pub date: Option<Timestamp>,
    /// Until when it may be used.
    pub valid_until: Option<Timestamp>,
    /// Whether files can be had under their digest, so that they do not change in between.
    pub acquire_by_hash: bool,
    /// Its packages are taken only if asked for by name: apt gives them priority 1.
    pub not_automatic: bool,
    /// With `not_automatic`: once installed, they are upgraded from here (priority 100).
    pub but_automatic_upgrades: bool,
    /// Whether packages for all architectures are repeated in the index of each (`binary-amd64`), so that
    /// `binary-all` is not to be read.
    pub repeats_all: bool,
    files: HashMap<&'a str, Checksum>,
}

impl SignedRelease {
    /// Verifies an `InRelease` file. `name` is what errors call it, best its URL.
    ///
    /// # Errors
    /// Of kind `Untrusted` unless a trusted key signed it; see [`openpgp::verify_clear_signed`].
    pub fn verify_inline(message: &[u8], name: &str, keyring: &Keyring, at: Timestamp) -> Result<Self> {
        let (text, signer) = openpgp::verify_clear_signed(message, name, keyring, at)?;
        Ok(SignedRelease { text, signer })
    }

    /// Verifies a `Release` file by its `Release.gpg`.
    ///
    /// # Errors
    /// Of kind `Untrusted` unless a trusted key signed it; see [`openpgp::verify_detached`].
    pub fn verify_detached(
        text: Vec<u8>,
        signature: &[u8],
        name: &str,
        keyring: &Keyring,
        at: Timestamp,
    ) -> Result<Self> {
        let signer = openpgp::verify_detached(&text, signature, name, keyring, at)?;
        Ok(SignedRelease { text, signer })
    }

    /// Who signed it.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What it says.
    ///
    /// # Errors
    /// [`codes::DEBIAN_RELEASE`] if it is malformed, [`codes::DEBIAN_RELEASE_WEAK`] if it has no strong digests.
    pub fn release(&self) -> Result<Release<'_>> {
        Release::parse(&self.text)
    }
}

/// The error for a repository that has neither `InRelease` nor `Release.gpg`. `was_signed` is what the caller
/// remembers of it, as from the lock.
pub fn unsigned(name: &str, was_signed: bool) -> Error {
    let (what, help) = if was_signed {
        (
            "is no longer signed",
            "it was when the lock was made, so somebody may be tampering with it; the lock stays as it was",
        )
    } else {
        (
            "is not signed",
            "airlock takes packages from signed repositories only; ask the owners of the repository to sign it",
        )
    };
    Error::new(codes::DEBIAN_UNSIGNED, format!("the repository {name} {what}")).with_help(help)
}

impl<'a> Release<'a> {
    fn parse(text: &'a [u8]) -> Result<Self> {
        let mut all = stanzas(text);
        let (Some(stanza), None) = (all.next().transpose()?, all.next()) else {
            return Err(malformed("is not a single stanza"));
        };
        let value = |name: &str| -> Result<&'a str> {
            let value = stanza.field(name)?.unwrap_or_default();
            std::str::from_utf8(value)
                .map_err(|_| malformed(&format!("has a field {name} that is not UTF-8")))
        };
        let yes = |name: &str| value(name).map(|value| value == "yes");
        let time = |name: &str| time::parse_field(name, value(name)?);
        let words = |name: &str| value(name).map(|value| value.split_ascii_whitespace().collect::<Vec<_>>());
        Ok(Release {
            origin: value("Origin")?,
            label: value("Label")?,
            suite: value("Suite")?,
            codename: value("Codename")?,
            version: value("Version")?,
            architectures: words("Architectures")?,
            components: words("Components")?,
            date: time("Date")?,
            valid_until: time("Valid-Until")?,
            acquire_by_hash: yes("Acquire-By-Hash")?,
            not_automatic: yes("NotAutomatic")?,
            but_automatic_upgrades: yes("ButAutomaticUpgrades")?,
            repeats_all: words("No-Support-for-Architecture-all")?.contains(&"Packages"),
            files: checksums::parse(value("SHA256")?, value("SHA512")?, value("MD5Sum")?, value("SHA1")?)?,
        })
    }

    /// Size and digests of a file; `path` is relative to the directory of the `Release` file.
    pub fn file(&self, path: &str) -> Option<&Checksum> {
        self.files.get(path)
    }
}

fn malformed(reason: &str) -> Error {
    Error::new(codes::DEBIAN_RELEASE, format!("the Release file {reason}"))
        .with_help("the repository is broken; tell its owners, or use another mirror of it")
}

#[cfg(test)]
mod tests;
