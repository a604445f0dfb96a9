//! The part of OpenPGP (RFC 9580) that repositories need: who signed these bytes, and is that key trusted?
//!
//! The `pgp` crate does packets and arithmetic. It has no opinion on what is acceptable: it verifies MD5 and
//! expired keys alike. The opinion is here, in [`policy`] and [`certificate`].

mod armor;
mod certificate;
mod clear_signed;
mod keyring;
mod policy;
mod signing_key;
mod verify;

pub use clear_signed::{ClearSigned, split};
pub use keyring::{Fingerprint, Keyring};
pub use signing_key::SigningKey;
pub use verify::{Signer, verify_clear_signed, verify_detached};

#[cfg(test)]
mod tests;
