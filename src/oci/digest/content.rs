//! Digests of pushed content: SHA-256 as everywhere in airlock, and SHA-512, which a registry takes as well
//! (OCI image-spec, "Registered Algorithms").

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha512};

use super::{Digest, Hasher, parse_hex, write_hex};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// How a digest is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512];

    /// The name that stands before the colon of a digest.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or_else(|| {
            Error::new(codes::DIGEST, format!("digest algorithm `{}` is not supported", quote(text)))
                .with_help("push with `sha256` or `sha512`")
        })
    }
}

/// The name of content in a registry: algorithm, colon, lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentDigest {
    /// SHA-256, 64 digits.
    Sha256(Digest),
    /// SHA-512, 128 digits.
    Sha512([u8; 64]),
}

impl ContentDigest {
    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// A digest from its digits.
    ///
    /// # Errors
    /// [`codes::DIGEST`] if they are not as many as the algorithm has, of `0-9` and `a-f`.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Result<Self> {
        let digest = match algorithm {
            Algorithm::Sha256 => parse_hex(hex).map(|bytes| ContentDigest::Sha256(Digest(bytes))),
            Algorithm::Sha512 => parse_hex(hex).map(ContentDigest::Sha512),
        };
        digest.ok_or_else(|| {
            Error::new(codes::DIGEST, format!("`{}` is not a {} digest", quote(hex), algorithm.name()))
                .with_help("sha256 has exactly 64 digits of 0-9 and a-f, in lower case; sha512 has 128")
        })
    }

    /// How it was computed.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            ContentDigest::Sha256(_) => Algorithm::Sha256,
            ContentDigest::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// The digits, as used in file names.
    pub fn hex(&self) -> String {
        write_hex(self.bytes())
    }

    /// The 32 or 64 bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            ContentDigest::Sha256(digest) => digest.bytes(),
            ContentDigest::Sha512(bytes) => bytes,
        }
    }

    /// The SHA-256 digest, if it is one; bundles know no other.
    pub fn sha256(&self) -> Option<Digest> {
        match self {
            ContentDigest::Sha256(digest) => Some(*digest),
            ContentDigest::Sha512(_) => None,
        }
    }
}

impl From<Digest> for ContentDigest {
    fn from(digest: Digest) -> Self {
        ContentDigest::Sha256(digest)
    }
}

impl FromStr for ContentDigest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (algorithm, hex) = text.split_once(':').ok_or_else(|| {
            Error::new(codes::DIGEST, format!("`{}` has no algorithm", quote(text)))
                .with_help(format!("write `sha256:{}`", quote(text)))
        })?;
        ContentDigest::from_hex(algorithm.parse()?, hex)
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.algorithm().name(), self.hex())
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for ContentDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a digest of either algorithm over bytes as they pass, and counts them.
#[derive(Clone)]
pub enum ContentHasher {
    /// Computes SHA-256.
    Sha256(Hasher),
    /// Computes SHA-512; and the number of bytes seen.
    Sha512(Box<Sha512>, u64),
}

impl ContentHasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => ContentHasher::Sha256(Hasher::new()),
            Algorithm::Sha512 => ContentHasher::Sha512(Box::default(), 0),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            ContentHasher::Sha256(hasher) => hasher.update(bytes),
            ContentHasher::Sha512(state, length) => {
                state.update(bytes);
                *length += bytes.len() as u64;
            }
        }
    }

    /// How many bytes were seen.
    pub fn length(&self) -> u64 {
        match self {
            ContentHasher::Sha256(hasher) => hasher.length(),
            ContentHasher::Sha512(_, length) => *length,
        }
    }

    /// The digest of all bytes seen.
    pub fn finish(self) -> ContentDigest {
        match self {
            ContentHasher::Sha256(hasher) => ContentDigest::Sha256(hasher.finish()),
            ContentHasher::Sha512(state, _) => ContentDigest::Sha512(state.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_digests_of_nothing_are_the_known_ones() {
        let sha512 = ContentDigest::of(Algorithm::Sha512, b"").to_string();
        assert!(sha512.starts_with("sha512:cf83e1357eefb8bdf1542850d66d8007"), "{sha512}");
        assert_eq!(sha512.len(), "sha512:".len() + 128);
        assert_eq!(ContentDigest::of(Algorithm::Sha256, b""), Digest::of(b"").into());
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        let short = format!("sha512:{}", "0".repeat(64));
        let long = format!("sha256:{}", "0".repeat(128));
        let upper = format!("sha256:{}", "A".repeat(64));
        for text in ["", "sha256", "sha256:", "sha384:00", "sha256:../../etc", &short, &long, &upper] {
            let error = text.parse::<ContentDigest>().expect_err(text);
            assert_eq!((error.code(), error.help().is_some()), (codes::DIGEST, true), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(bytes in any::<Vec<u8>>(), long in any::<bool>()) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = ContentDigest::of(algorithm, &bytes);
            prop_assert_eq!(digest.to_string().parse::<ContentDigest>().unwrap(), digest);
            prop_assert_eq!(digest.algorithm(), algorithm);
        }
    }
}
