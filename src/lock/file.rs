//! The lock as text: YAML with a header that tells its reader what to do with it.

use crate::error::{Error, Location, Result, codes};
use crate::lock::{Lock, VERSION};

/// Largest lock that is read. A lock of ten thousand images stays below 8 MiB.
pub const SIZE_LIMIT: u64 = 64 << 20;

const HEADER: &str = "\
# Written by airlock: what bundle.yaml stands for, down to the last byte.
# Review changes in git and commit them with bundle.yaml; do not edit by hand.
# `airlock bundle lock --update [NAME]` moves entries to what is current upstream.
";

/// Renders a lock. The same lock always gives the same text.
pub fn render(lock: &Lock) -> Result<String> {
    // One value, one line: a folded URL is hard to read in a diff.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let body = serde_saphyr::to_string_with_options(lock, options)
        .map_err(|error| Error::new(codes::INTERNAL, "the lock cannot be rendered").with_source(error))?;
    Ok(format!("{HEADER}{body}"))
}

/// Reads a lock; `file` names it in errors.
///
/// # Errors
/// `E0201` when it is not a lock of this version, with the place.
pub fn parse(text: &str, file: &str) -> Result<Lock> {
    let lock: Lock = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map(|at| (at.line() as usize, at.column() as usize));
        let (line, column) = place.unwrap_or((1, 1));
        let reason = error.without_snippet().to_string();
        // The place is told apart, in the form of all our errors.
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        Error::new(codes::LOCK_SYNTAX, format!("the lock cannot be read: {reason}"))
            .with_location(Location { file: file.to_owned(), line, column, snippet: None })
            .with_help(remedy(text))
    })?;
    if lock.lock_version != VERSION {
        let message =
            format!("the lock has version {}, this airlock knows version {VERSION}", lock.lock_version);
        return Err(Error::new(codes::LOCK_SYNTAX, message)
            .with_help("use the airlock that wrote it, or a newer one"));
    }
    Ok(lock)
}

/// The JSON Schema of `bundle.lock` (draft 2020-12), for programs that review locks.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Lock).to_value()
}

fn remedy(text: &str) -> &'static str {
    if text.lines().any(|line| line.starts_with("<<<<<<< ")) {
        "it has a merge conflict: keep the side with the higher `serial` whole, then run `airlock bundle lock`"
    } else {
        "restore it from git; without it, serials start again at 1 and nodes refuse the bundle"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::change::tests::example;

    #[test]
    fn a_lock_reads_back_as_it_was_written() {
        let lock = example();
        let text = render(&lock).unwrap();
        assert_eq!(parse(&text, "bundle.lock").unwrap(), lock);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn damage_is_reported_with_its_place() {
        let text = render(&example()).unwrap().replace("serial: 3", "serial: three");
        let error = parse(&text, "bundle.lock").unwrap_err();
        assert_eq!(error.code(), codes::LOCK_SYNTAX);
        assert_eq!(error.location().map(|at| (at.line, at.column)), Some((5, 9)));
        assert!(parse("", "bundle.lock").is_err());
        assert!(parse(&text.replace("three", "3").replace("lockVersion: 1", "lockVersion: 2"), "l").is_err());
    }
}
