//! `airlock registry`: the server, by raw requests and by real clients.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped check says why")]

mod access;
#[path = "../bundle_format/support.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod bundles;
mod clients;
mod command;
mod crowds;
mod discover;
mod faults;
mod in_place;
mod manage;
mod many_blobs;
#[path = "../support/packages.rs"]
mod packages;
mod pull;
mod push;
mod scrub;
mod support;
mod uploads;
