//! `airlock bundle build`, `lock`, `plan` and `fetch` from end to end: the real binary against a real server on
//! this machine, in a home that holds nothing but what a test puts there. Nothing outside is ever reached.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

#[path = "../support/apt_repository.rs"]
mod apt_repository;
#[path = "../support/misbehaving.rs"]
mod misbehaving;
#[path = "../support/packages.rs"]
mod packages;
#[path = "../support/samples.rs"]
mod samples;
#[path = "../support/upstream/server.rs"]
mod server;
#[path = "../cli/support.rs"]
#[allow(dead_code, reason = "every test program uses a part of it")]
mod support;

mod apt;
mod apt_library;
mod apt_troubles;
mod archives;
mod bad_upstreams;
mod contents;
mod fetching;
mod files;
mod hostile_images;
mod interruptions;
mod k3s;
mod lock;
mod media;
mod nvidia;
mod output;
mod prove;
mod signing;
mod site;
