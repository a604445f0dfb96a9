//! Tests of `airlock install`: what it refuses, what it does to a machine, and what a kill leaves of that.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod aftermath;
mod boundaries;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod bundles;
mod child;
mod disk;
mod disks;
mod everything;
mod faults;
mod gpu;
mod journal;
mod kill;
mod machine;
mod names;
#[path = "../support/packages.rs"]
mod packages;
mod programs;
mod refusals;
mod remote;
mod rivals;
mod steps;
mod strace;
mod systemd;
