//! `airlock registry serve` as a process.
