//! Tests of the real binary: what it prints, where it prints it, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundle;
mod fixture;
mod generated;
mod hostile;
mod key;
mod signals;
mod support;
mod usage;
