//! What a check says, and how numbers of bytes are said.

use super::Severity;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Passed {
        /// What was measured.
        measured: String,
    },
    /// Not as it should be.
    Failed {
        /// How much that matters.
        severity: Severity,
        /// What was measured.
        measured: String,
        /// The command or edit that helps.
        remedy: String,
    },
    /// What it looks at is not known.
    Unknown {
        /// Why.
        reason: String,
    },
}

pub(super) fn passed(measured: impl Into<String>) -> Outcome {
    Outcome::Passed { measured: measured.into() }
}

pub(super) fn block(measured: impl Into<String>, remedy: impl Into<String>) -> Outcome {
    failed(Severity::Block, measured, remedy)
}

pub(super) fn warn(measured: impl Into<String>, remedy: impl Into<String>) -> Outcome {
    failed(Severity::Warn, measured, remedy)
}

pub(super) fn info(measured: impl Into<String>, remedy: impl Into<String>) -> Outcome {
    failed(Severity::Info, measured, remedy)
}

pub(super) fn failed(severity: Severity, measured: impl Into<String>, remedy: impl Into<String>) -> Outcome {
    Outcome::Failed { severity, measured: measured.into(), remedy: remedy.into() }
}

pub(super) fn unknown(reason: impl Into<String>) -> Outcome {
    Outcome::Unknown { reason: reason.into() }
}

/// A gibibyte, in bytes.
pub(super) const GIB: u64 = 1 << 30;
/// A mebibyte, in bytes.
pub(super) const MIB: u64 = 1 << 20;

/// Bytes in gibibytes with one decimal, rounded down: a limit is never said to be reached when it is not.
pub(super) fn gibibytes(bytes: u64) -> String {
    format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
}

/// `none`, or the words with commas between.
pub(super) fn listed(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_down() {
        assert_eq!(gibibytes(4 * GIB - 1), "3.9 GiB");
        assert_eq!(gibibytes(u64::MAX), "17179869183.9 GiB");
        assert_eq!(listed([""; 0]), "none");
    }
}
