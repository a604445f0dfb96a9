//! The Debian library against the real thing: apt, gpgv and sqv of this machine, and the apt of other releases in
//! roots of their own. What is missing on a machine is skipped, loudly.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped test must be heard of")]

mod calls;
mod installs;
mod lists;
mod nvidia;
mod packages;
#[path = "../support/roots.rs"]
mod roots;
mod updates;
mod verdicts;

use std::process::{Command, Output, Stdio};

/// Whether a program is there; says so if not.
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

/// Everything a program said.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
