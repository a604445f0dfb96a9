//! Tests of `airlock store` and of the store beneath it: what survives a kill, a full disk, damage, company.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "these tests use a part of it")]
mod bundles;
mod commands;
#[path = "../support/docker_registry.rs"]
mod docker_registry;
mod full_disk;
#[path = "../support/image_bundle.rs"]
mod image_bundle;
mod in_place;
mod kill;
#[path = "../support/misbehaving.rs"]
mod misbehaving;
mod node;
#[path = "../support/packages.rs"]
mod packages;
mod remove;
mod repair;
#[path = "../support/serving.rs"]
mod serving;
#[path = "../support/store_check.rs"]
mod store_check;
#[path = "../support/store_kill.rs"]
mod store_kill;
#[path = "../support/store_server.rs"]
mod store_server;
