//! Verification in the background: while nobody is served, the server reads its blobs one after the other. So
//! damage is found before somebody needs the blob, and parts of blobs need not wait for the whole.
//!
//! What was found right is remembered as long as the process lives, and read again every month: disks fail
//! silently. Nothing of it is written down (`bundle-spec/store.md`).

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::failure;
use super::service::Inner;
use crate::error::{Error, Result, codes};
use crate::oci::digest::ContentDigest;
use crate::quote::escape;

/// Bytes a second that are read unless told otherwise: little for a disk, and 10 GiB in 80 seconds.
pub const RATE: u64 = 128 << 20;

/// How often blobs are looked for that have not been verified …
const INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// … and how many times it takes until all of them are read again.
const THOROUGH: u32 = 30;

/// The lowest priority of a thread (nice(1)).
const LOWEST: i32 = 19;

/// More users of a blob than anybody wants to read.
const MOST_NAMED: usize = 20;

/// Reads until the server stops.
pub(super) fn run(inner: &Inner, bytes_per_second: u64) {
    // It only makes us more polite.
    let _ = rustix::process::setpriority_process(None, LOWEST);
    for round in 0.. {
        let read = read_all(inner, bytes_per_second, round > 0 && round % THOROUGH == 0);
        if read.unwrap_or_else(|error| report(inner, &error)).is_break() {
            return;
        }
        if inner.activity.pause(INTERVAL).is_break() {
            return;
        }
    }
}

fn report(inner: &Inner, error: &Error) -> ControlFlow<()> {
    failure::report(inner, error);
    ControlFlow::Continue(())
}

/// Verifies what has not been, or everything. Breaks if the server stops.
fn read_all(inner: &Inner, bytes_per_second: u64, everything: bool) -> Result<ControlFlow<()>> {
    let content = &inner.settings.content;
    content.each_blob(&mut |digest| {
        inner.activity.wait_for_quiet()?;
        read_one(inner, &digest, bytes_per_second, everything).unwrap_or_else(|error| {
            let error = if error.code() == codes::STORE_BLOB_DAMAGED {
                with_users(inner, error, &digest)
            } else {
                error
            };
            report(inner, &error)
        })
    })
}

fn read_one(
    inner: &Inner,
    digest: &ContentDigest,
    bytes_per_second: u64,
    anew: bool,
) -> Result<ControlFlow<()>> {
    // It may have been deleted since.
    let Some(blob) = inner.settings.content.blob(digest)? else { return Ok(ControlFlow::Continue(())) };
    if blob.is_verified() && !anew {
        return Ok(ControlFlow::Continue(()));
    }
    let mut last = Instant::now();
    let step = |bytes: u64| {
        let wanted = Duration::from_secs_f64(bytes as f64 / bytes_per_second.max(1) as f64);
        let pause = wanted.saturating_sub(last.elapsed());
        if !pause.is_zero() {
            inner.activity.pause(pause)?;
        }
        inner.activity.wait_for_quiet()?;
        last = Instant::now();
        ControlFlow::Continue(())
    };
    if !blob.verify_in_steps(step)? {
        return Ok(ControlFlow::Break(()));
    }
    inner.metrics.verified_blob();
    Ok(ControlFlow::Continue(()))
}

fn with_users(inner: &Inner, error: Error, digest: &ContentDigest) -> Error {
    match inner.settings.content.users_of(digest) {
        Ok(users) if users.is_empty() => error.with_detail("nothing needs it"),
        Ok(users) => {
            let more = if users.len() > MOST_NAMED { ", …" } else { "" };
            let named = users.into_iter().take(MOST_NAMED).collect::<Vec<_>>().join(", ");
            error.with_detail(format!("needed by {}{more}", escape(&named)))
        }
        Err(_) => error,
    }
}
