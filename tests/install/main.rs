//! Tests of `airlock install`: what it refuses, what it does to a machine, and what a kill leaves of that.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod aftermath;
mod boundaries;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod bundles;
mod child;
mod cluster;
mod disk;
mod disks;
mod everything;
mod external;
mod faults;
mod gpu;
#[path = "../support/image_bundle.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod image_bundle;
mod inputs;
mod journal;
mod kill;
mod machine;
mod memory;
mod names;
#[path = "../support/packages.rs"]
mod packages;
mod preflight;
mod programs;
mod receive;
mod refusals;
mod remote;
mod repair;
mod replicas;
mod reset;
mod rivals;
mod scenario;
#[path = "../support/serving.rs"]
mod serving;
#[path = "../support/lab/snapshot.rs"]
mod snapshot;
mod stage;
mod status;
mod steps;
mod strace;
mod systemd;
mod verify;
mod virtual_address;

/// What helpers may fail with.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
