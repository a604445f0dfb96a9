//! The keys a repository may be signed with: binary `.gpg` or armored `.asc` files, perhaps narrowed to pinned
//! fingerprints.

use std::fmt;
use std::str::FromStr;

use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::types::KeyDetails;

use super::armor;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// The largest keyring accepted, in bytes; that of all Debian releases has 70 KiB.
const LARGEST: usize = 4 << 20;

/// The fingerprint of an OpenPGP key of version 4, 40 hexadecimal digits, or 6, 64. Printed in upper case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

/// Trusted keys.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
    pinned: bool,
}

impl Keyring {
    /// Reads a keyring, armored or binary; several armored keys may follow each other. `name` is for errors.
    /// Keys of kinds that cannot sign repositories any more are left out.
    ///
    /// # Errors
    /// [`codes::DEBIAN_KEYRING`] if there is no usable key in it.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let refused = |reason: &str| {
            Error::new(codes::DEBIAN_KEYRING, format!("{name} {reason}")).with_help(
                "name a file of public OpenPGP keys, as the repository's documentation offers it for `signed-by`",
            )
        };
        if bytes.len() > LARGEST {
            return Err(refused("has more than 4 MiB"));
        }
        if memchr::memmem::find(bytes, b"-----BEGIN PGP PRIVATE KEY").is_some() {
            return Err(refused("holds a private key, which does not belong here"));
        }
        let keys = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            binary(bytes)
        } else {
            let blocks =
                armor::blocks(bytes, "PGP PUBLIC KEY BLOCK").ok_or_else(|| refused("is no keyring"))?;
            blocks.into_iter().flat_map(armored).collect()
        };
        if keys.is_empty() {
            Err(refused("has no key that airlock can use"))
        } else {
            Ok(Keyring { keys, pinned: false })
        }
    }

    /// Keeps only the keys with these fingerprints, which are those of primary keys.
    ///
    /// # Errors
    /// [`codes::DEBIAN_KEYRING`] if one of them is not there.
    pub fn pinned_to(self, fingerprints: &[Fingerprint], name: &str) -> Result<Self> {
        let own = |key: &SignedPublicKey| Fingerprint::of(&key.primary_key);
        if let Some(missing) =
            fingerprints.iter().find(|wanted| !self.keys.iter().any(|key| own(key) == **wanted))
        {
            let mut error = Error::new(codes::DEBIAN_KEYRING, format!("{name} has no key {missing}"))
                .with_help("compare the fingerprint with what the owners of the repository publish");
            for key in &self.keys {
                error = error.with_detail(format!("it has {}", own(key)));
            }
            return Err(error);
        }
        let keys = self.keys.into_iter().filter(|key| fingerprints.contains(&own(key))).collect();
        Ok(Keyring { keys, pinned: true })
    }

    /// The keys of both.
    pub fn joined_with(mut self, other: Keyring) -> Self {
        self.pinned &= other.pinned;
        self.keys.extend(other.keys);
        self
    }

    /// The fingerprints of the primary keys, in the order of the files.
    pub fn fingerprints(&self) -> Vec<Fingerprint> {
        self.keys.iter().map(|key| Fingerprint::of(&key.primary_key)).collect()
    }

    pub(super) fn keys(&self) -> &[SignedPublicKey] {
        &self.keys
    }

    pub(super) fn is_pinned(&self) -> bool {
        self.pinned
    }
}

fn binary(bytes: &[u8]) -> Vec<SignedPublicKey> {
    SignedPublicKey::from_bytes_many(bytes).map(|keys| keys.flatten().collect()).unwrap_or_default()
}

fn armored(block: &[u8]) -> Vec<SignedPublicKey> {
    SignedPublicKey::from_armor_many(block).map(|(keys, _)| keys.flatten().collect()).unwrap_or_default()
}

impl Fingerprint {
    pub(super) fn of(key: &impl KeyDetails) -> Self {
        Fingerprint(format!("{:X}", key.fingerprint()))
    }

    /// The digits, in upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Spaces between the digits, as gpg prints them, do no harm.
    fn from_str(text: &str) -> Result<Self> {
        let digits: String = text.chars().filter(|character| *character != ' ').collect();
        if matches!(digits.len(), 40 | 64) && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Fingerprint(digits.to_ascii_uppercase()));
        }
        Err(Error::new(codes::DEBIAN_KEYRING, format!("`{}` is no fingerprint of a key", quote(text)))
            .with_help("write all 40 hexadecimal digits of it; shorter key ids can be forged"))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
