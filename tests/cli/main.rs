//! Tests of the real binary: what it prints, where it prints it, and how it ends.

mod generated;
mod hostile;
mod key;
mod signals;
mod support;
mod usage;
