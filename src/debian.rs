//! Debian packages on any Linux, without apt or dpkg: reading signed repositories, and writing one.
//!
//! Everything here is pure: bytes and readers come in, parsed values go out. Fetching is done by callers, and
//! so is looking at the clock. What is parsed borrows from its text, so a list of 64,000 packages costs one
//! buffer and one table.
//!
//! Reading goes from trust to content: a [`openpgp::Keyring`] makes a [`release::SignedRelease`] of `InRelease`,
//! its [`release::Release`] names the [`index::IndexFile`]s with their digests, and what those decode to becomes
//! [`package::Package`]s. [`repository`] goes the other way.

pub mod apt_get;
pub mod baseline;
pub mod checker;
pub mod control;
pub mod index;
pub mod location;
pub mod openpgp;
pub mod package;
pub mod relation;
pub mod release;
pub mod repository;
pub mod solver;
pub mod sources;
pub mod transaction;
pub mod transcript;
pub mod universe;
pub mod version;
