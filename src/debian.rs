//! Debian packages on any Linux, without apt or dpkg: reading signed repositories, and writing one.
//!
//! Everything here is pure: bytes and readers come in, parsed values go out. Fetching is done by callers.
//! What is parsed borrows from its text, so a list of 64,000 packages costs one buffer and one table.

pub mod checker;
pub mod control;
pub mod package;
pub mod relation;
pub mod solver;
pub mod universe;
pub mod version;
