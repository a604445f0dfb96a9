//! Verdicts on signatures: of keys made here, with every weakness on purpose. Those of gpgv and sqv on real
//! files are compared in `tests/apt`.

mod clear_signed;
mod keys;
mod verdicts;

use jiff::Timestamp;

use super::*;
use crate::error::{Error, codes};

/// When the tests take place.
fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// An error of the exit status 5, with help and without control characters.
fn assert_untrusted(error: &Error) {
    assert_eq!(error.kind().exit_status(), 5, "{error}");
    assert!(error.help().is_some());
    assert!(!error.message().chars().any(char::is_control));
}
