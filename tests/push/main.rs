//! Pushing to registries: a small one that misbehaves as it is told, our own, and Debian's `docker-registry`.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped check says why")]

mod docker;
#[path = "../support/docker_registry.rs"]
mod docker_registry;
mod faults;
mod library;
mod own;
mod pushing;
mod registry;
#[path = "../registry/support.rs"]
#[allow(dead_code, reason = "only a part of it is needed here")]
mod support;
#[path = "../support/tools.rs"]
mod tools;
