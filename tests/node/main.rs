//! Tests of `airlock node`: facts of machines described in `hosts/`, every check of preflight, and this machine.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

mod checks;
mod commands;
mod facts;
mod machines;
mod mending;
mod reference;
