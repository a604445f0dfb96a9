//! Tests of the real binary: what it prints, where it prints it, and how it ends.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle;
mod cluster_injection;
mod cluster_inventory;
mod fixture;
mod generated;
mod hostile;
#[path = "../support/inventory_fields.rs"]
mod inventory_fields;
mod key;
#[path = "../support/packages.rs"]
mod packages;
mod repositories;
mod signals;
mod support;
mod usage;
