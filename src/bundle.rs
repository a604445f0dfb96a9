//! The bundle: a signed manifest and blobs in one or several tar volumes. The format is described in
//! `bundle-spec/v1.md`; this module is its only reader and writer.
//!
//! From the outside in: [`reader`] opens volumes and hands out nothing before the signature is verified;
//! [`check`] finds all damage; [`writer`] writes volumes front to back. Between them stands
//! [`arrangement`], pure arithmetic that says where every byte of a bundle lies, so nothing in a volume
//! has to be searched for or believed.

pub mod arrangement;
pub mod blob;
pub mod check;
pub mod diff;
mod discover;
mod envelope;
pub mod extract;
mod foreign;
pub mod inspect;
pub mod layout;
pub mod manifest;
pub mod names;
pub mod reader;
pub mod signed;
pub mod source;
pub mod ustar;
pub mod volume;
mod write_error;
pub mod writer;

pub use reader::{Bundle, Unverified, Verified};
