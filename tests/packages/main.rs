//! Packages and drivers on a node: the steps against the real apt and dpkg, in roots of Debian releases without a
//! network. Roots take mmdebstrap, the rights of root and a mirror; where one is missing, it is said.
//!
//! `cargo test --test packages -- --ignored` runs those that make roots.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test must be heard of")]

#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod bundles;
mod interrupted;
#[path = "../support/roots.rs"]
mod made;
mod modified;
mod node;
#[path = "../support/packages.rs"]
mod packages;
mod probes;
mod real;
mod refusals;
mod roots;
mod usual;
