//! A wrong clock, as far as a node can have one: see [`super::node::Node::set_clock_offset`].
//!
//! The dynamic linker loads a library of ours into whatever starts on the node (ld.so(8), `/etc/ld.so.preload`). Unlike
//! libfaketime(1) it needs no environment, which neither sudo nor the agent passes on, and makes no system call but the
//! one that it stands for, so that the sandbox of sshd bears it.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use fs_err as fs;

use super::Result;
use super::command::{command, said};

/// Names the libraries that come before all others.
const PRELOAD: &str = "etc/ld.so.preload";
/// Where it is in the root of a node.
const LIBRARY: &str = "usr/local/lib/clock.so";

/// Every way of the C library to the time of day (clock_gettime(2), gettimeofday(2), time(2)).
const SOURCE: &str = r"
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += OFFSET;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

time_t time(time_t *copy) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (copy != NULL) *copy = now.tv_sec;
    return now.tv_sec;
}
";

/// Lets programs that start from now on in the node with this root believe that it is this many seconds later.
pub fn set_offset(root: &Path, seconds: i64) -> Result<()> {
    let (preload, library) = (root.join(PRELOAD), root.join(LIBRARY));
    // What runs has the old one mapped, which must not be written over.
    for file in [&preload, &library] {
        if file.exists() {
            fs::remove_file(file)?;
        }
    }
    if seconds != 0 {
        compile(&library, seconds)?;
        fs::write(preload, format!("/{LIBRARY}\n"))?;
    }
    Ok(())
}

fn compile(library: &Path, seconds: i64) -> Result<()> {
    let offset = format!("-DOFFSET=({seconds})");
    let mut compiler = command("cc", &["-shared", "-fPIC", "-O1", &offset, "-x", "c", "-", "-o"]);
    compiler.arg(library).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut compiler = compiler.spawn()?;
    if let Some(mut input) = compiler.stdin.take() {
        input.write_all(SOURCE.as_bytes())?;
    }
    let output = compiler.wait_with_output()?;
    if output.status.success() { Ok(()) } else { Err(format!("cc: {}", said(&output)).into()) }
}
