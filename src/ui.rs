//! What the user sees: errors, progress, results. Together with `cli` the only part that prints.
//!
//! Results go to stdout, everything else to stderr, so that a pipe receives data and nothing but data.
//! Every string that came from outside (a path, a tag, the answer of a server) passes through
//! [`text::escape`] before it reaches a terminal.

pub mod human;
pub mod printer;
pub mod progress;
pub mod report;
pub mod table;
pub mod text;
pub mod tree;
