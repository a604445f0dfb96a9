//! Who may sign bundles, how signatures are made, and when they count.
//!
//! Signatures are SSHSIG (OpenSSH's PROTOCOL.sshsig), so `ssh-keygen -Y verify` checks them too. Keys are
//! Ed25519. Signers are pinned in an allowed-signers file of the machine; no key is ever taken from the
//! medium, and no clock is asked.

pub mod agent;
pub mod allowed_signers;
pub mod key;
pub mod key_file;
mod pattern;
pub mod policy;
pub mod revoked;
pub mod signature;
mod text;

pub use policy::Policy;
pub use signature::Signer;
