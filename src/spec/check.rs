//! From what was typed to what is meant: every check that needs more than the shape of the file.
//!
//! A check that fails is remembered and the next one runs, so that the problem reported is the first one
//! in the file and not the first one in this program.

mod apt;
mod bundle;
mod file;
mod image;
mod k3s;
pub(super) use k3s::is_tag as is_k3s_version;
pub(in crate::spec) mod list;
mod name;
mod nvidia;
mod registry;
pub(in crate::spec) mod text;
pub(in crate::spec) mod url;

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;
use crate::spec::Spec;
use crate::spec::raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

pub(super) use bundle::KNOWN_HOSTS;

/// Turns a parsed file into a [`Spec`], or says what is wrong first.
pub(super) fn spec(source: &Source<'_>, directory: &Path, raw: &Located<raw::Bundle>) -> Result<Spec> {
    let mut check = Check::new(source, directory);
    let spec = bundle::bundle(&mut check, raw);
    check.finish(spec)
}

/// The error about a value that is not allowed.
pub(super) fn refused(
    source: &Source<'_>,
    span: &Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Error {
    source.error(codes::SPEC_VALUE, message, span, "").with_help(help)
}

/// The error about something required that is not there.
pub(super) fn lacking(
    source: &Source<'_>,
    span: &Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Error {
    source.error(codes::SPEC_MISSING, message, span, "").with_help(help)
}

/// The error about the second of two equal entries.
pub(super) fn again(
    source: &Source<'_>,
    span: &Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Error {
    source.error(codes::SPEC_VALUE, message, span, "again here").with_help(help)
}

/// What all checks share. A check that returns `None` has left at least one problem here.
pub(super) struct Check<'a> {
    /// The file.
    pub source: &'a Source<'a>,
    /// Where it lies.
    pub directory: &'a Path,
    problems: Vec<Error>,
}

impl<'a> Check<'a> {
    pub fn new(source: &'a Source<'a>, directory: &'a Path) -> Self {
        Check { source, directory, problems: Vec::new() }
    }

    /// What came of all checks, or the first problem in the order of the file.
    pub fn finish<T>(self, checked: Option<T>) -> Result<T> {
        let place = |error: &Error| error.location().map(|location| (location.line, location.column));
        match (self.problems.into_iter().min_by_key(place), checked) {
            (Some(problem), _) => Err(problem),
            (None, Some(checked)) => Ok(checked),
            (None, None) => Err(Error::new(codes::INTERNAL, "the file was refused without a reason")),
        }
    }

    /// Remembers a failure and goes on.
    pub fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.problems.push(error)).ok()
    }

    /// Applies `check` to a value that may be left out: `Some(None)` if it is, `None` if it is wrong.
    pub fn optional<T, R>(
        &mut self,
        value: Option<&T>,
        check: impl FnOnce(&Source<'_>, &T) -> Result<R>,
    ) -> Option<Option<R>> {
        match value {
            Some(value) => self.keep(check(self.source, value)).map(Some),
            None => Some(None),
        }
    }

    /// Applies `check` to the elements up to the first that is wrong; `None` if there is one. Those after it
    /// cannot hold the first problem of the file.
    pub fn each<T, R>(
        &mut self,
        values: &[T],
        mut check: impl FnMut(&mut Self, &T) -> Option<R>,
    ) -> Option<Vec<R>> {
        values.iter().map(|value| check(self, value)).collect()
    }

    /// A list of platforms: not empty, none twice. The result is sorted.
    fn platforms(&mut self, list: &Located<Vec<raw::Text>>) -> Option<Vec<Platform>> {
        let source = self.source;
        if list.value.is_empty() {
            let error = source
                .error(codes::SPEC_MISSING, "the list of platforms is empty", &list.span, "")
                .with_help("write `platforms: [linux/amd64]`, or `linux/arm64`, or both");
            return self.keep(Err(error));
        }
        let mut platforms = Vec::new();
        self.each(&list.value, |check, text| {
            let platform = check.keep(text::parsed::<Platform>(source, text))?;
            if platforms.contains(&platform) {
                let message = format!("platform `{platform}` is listed twice");
                let error = source.error(codes::SPEC_VALUE, message, &text.span, "again here");
                return check.keep(Err(error.with_help("delete one of the two")));
            }
            platforms.push(platform);
            Some(())
        })?;
        platforms.sort_unstable();
        Some(platforms)
    }
}
