//! Tests of `airlock cluster` over SSH, with real SSH servers on loopback ports. They need root and `openssh-server`.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod agent;
mod dialer;
mod ping;
mod server;
mod sudo;
