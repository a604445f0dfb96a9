//! The driver: where it comes from, and which one.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::quote::quote;
use crate::spec::apt::Target;
use crate::spec::nvidia::{Driver, DriverSource, Flavour};
use crate::spec::raw::Text;
use crate::spec::raw::nvidia as raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::list::one_of;
use super::super::text::{plain, text};
use super::super::{Check, again, lacking, refused};
use super::run_file::{self, RunFile};

/// Where a driver comes from, as typed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Distribution,
    Cuda,
    RunFile,
}

const PLACES: [(&str, Place); 3] =
    [("distribution", Place::Distribution), ("cuda", Place::Cuda), ("run-file", Place::RunFile)];
const FLAVOURS: [(&str, Flavour); 2] = [("open", Flavour::Open), ("proprietary", Flavour::Proprietary)];

/// The driver for these targets.
pub(super) fn driver(
    check: &mut Check<'_>,
    entry: &Located<raw::Driver>,
    targets: &[&Target],
) -> Option<Driver> {
    let raw = &entry.value;
    let from = check.optional(raw.from.as_ref(), |source, value| one_of(source, "from", value, &PLACES));
    let branch = check.optional(raw.branch.as_ref(), branch);
    let version =
        check.optional(raw.version.as_ref(), |source, value| exact_version(source, value, "580.126.20"));
    let flavour =
        check.optional(raw.flavour.as_ref(), |source, value| one_of(source, "flavour", value, &FLAVOURS));
    let kernels = kernels(check, raw.kernels.as_deref().unwrap_or_default());
    let (branch, version) = (branch?, version?);
    let (source, version) = match from?.unwrap_or(Place::Distribution) {
        Place::RunFile => {
            let RunFile { url, digest, version } = run_file::run_file(check, entry, version, targets)?;
            (DriverSource::RunFile { url, digest }, Some(version))
        }
        from => {
            check.keep(nothing_of_a_run_file(check.source, raw))?;
            check.keep(is_determined(check.source, entry, from, &branch, &version, targets))?;
            let source = if from == Place::Cuda { DriverSource::Cuda } else { DriverSource::Distribution };
            (source, version)
        }
    };
    check.keep(agree(check.source, raw, branch.as_deref(), version.as_deref()))?;
    let line = check.source.line(entry.span.start);
    Some(Driver {
        source,
        branch,
        version,
        flavour: flavour?.unwrap_or(Flavour::Open),
        kernels: kernels?,
        line,
    })
}

/// A branch is a number, so quotes make no difference.
fn branch(source: &Source<'_>, value: &Text) -> Result<String> {
    let branch = plain(source, value)?;
    let digits: String = branch.chars().take_while(char::is_ascii_digit).collect();
    if digits == branch && matches!(digits.len(), 3 | 4) {
        return Ok(digits);
    }
    let help = match (digits.len(), branch[digits.len()..].starts_with(['.', '-'])) {
        (3 | 4, true) => format!("write `branch: \"{digits}\"`; an exact version goes under `version`"),
        _ => "write the number before the first dot of the version, such as `branch: \"580\"`".to_owned(),
    };
    Err(refused(source, &value.span, format!("`{}` is not a branch of the driver", quote(branch)), help))
}

/// `580.126.20`, perhaps with `~rc.1`: without the `v` of tags and the revision of packages.
pub(super) fn exact_version(source: &Source<'_>, value: &Text, example: &str) -> Result<String> {
    let version = text(source, value)?;
    if is_version(version) {
        return Ok(version.to_owned());
    }
    let bare = version.trim_start_matches('v').split(['-', '=']).next().unwrap_or_default();
    let help = match is_version(bare) {
        true => format!("write `{bare}`, without anything before or after it"),
        false => format!("write an exact version such as `{example}`"),
    };
    Err(refused(source, &value.span, format!("`{}` is not a version", quote(version)), help))
}

/// Numbers joined by dots, at least two, then perhaps `~` and a candidate.
pub(super) fn is_version(text: &str) -> bool {
    let (release, candidate) = text.split_once('~').unwrap_or((text, "rc"));
    let is_number = |part: &str| (1..=5).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit());
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric());
    let numbers = release.split('.').count();
    (2..=4).contains(&numbers) && release.split('.').all(is_number) && candidate.split('.').all(is_word)
}

fn kernels(check: &mut Check<'_>, list: &[Text]) -> Option<Vec<String>> {
    let mut seen: Vec<String> = Vec::new();
    check.each(list, |check, value| {
        let kernel = check.keep(kernel(check.source, value))?;
        if seen.contains(&kernel) {
            let message = format!("kernel `{kernel}` is listed twice");
            return check.keep(Err(again(check.source, &value.span, message, "delete one of the two")));
        }
        seen.push(kernel);
        Some(())
    })?;
    Some(seen)
}

/// What `uname -r` prints becomes the end of names of packages.
fn kernel(source: &Source<'_>, value: &Text) -> Result<String> {
    let kernel = text(source, value)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
    if kernel.starts_with(|c: char| c.is_ascii_digit()) && kernel.chars().all(allowed) && kernel.contains('.')
    {
        return Ok(kernel.to_owned());
    }
    let message = format!("`{}` is not the release of a kernel", quote(kernel));
    Err(refused(
        source,
        &value.span,
        message,
        "write what `uname -r` prints on the node, such as `6.8.0-60-generic`",
    ))
}

fn nothing_of_a_run_file(source: &Source<'_>, raw: &raw::Driver) -> Result<()> {
    let Some((key, value)) = [("url", &raw.url), ("sha256", &raw.sha256)]
        .into_iter()
        .find_map(|(key, value)| value.as_ref().map(|value| (key, value)))
    else {
        return Ok(());
    };
    let help = format!("add `from: run-file`, or delete `{key}`");
    Err(refused(source, &value.span, format!("`{key}` is for `from: run-file` only"), help))
}

/// Only Debian has just one driver; elsewhere "whatever is newest" would change the branch unasked.
fn is_determined(
    source: &Source<'_>,
    entry: &Located<raw::Driver>,
    from: Place,
    branch: &Option<String>,
    version: &Option<String>,
    targets: &[&Target],
) -> Result<()> {
    let has_several = from == Place::Cuda || targets.iter().any(|target| target.host.starts_with("ubuntu-"));
    if branch.is_some() || version.is_some() || !has_several {
        return Ok(());
    }
    let help = "add `driver: {branch: \"580\"}`, or an exact `version`";
    Err(lacking(source, &entry.span, "it is not said which driver: there are several branches", help))
}

/// Branch and version must mean the same driver.
fn agree(source: &Source<'_>, raw: &raw::Driver, branch: Option<&str>, version: Option<&str>) -> Result<()> {
    let (Some(branch), Some(version), Some(typed)) = (branch, version, raw.branch.as_ref()) else {
        return Ok(());
    };
    let of_version = version.split('.').next().unwrap_or_default();
    if of_version == branch {
        return Ok(());
    }
    Err(conflict(source, &typed.span, branch, version, of_version))
}

fn conflict(
    source: &Source<'_>,
    span: &Range<usize>,
    branch: &str,
    version: &str,
    of_version: &str,
) -> Error {
    let message = format!("version {version} is not of branch {branch}");
    refused(source, span, message, format!("delete `branch`, or write `branch: \"{of_version}\"`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_exact() {
        for version in ["580.126.20", "535.104", "1.18.0", "1.18.0~rc.1", "470.256.02"] {
            assert!(is_version(version), "{version}");
        }
        for version in
            ["", "580", "580.", ".1", "v1.18.0", "1.18.0-1", "580.*", "1.18.0~", "1.2.3.4.5", "1.999999"]
        {
            assert!(!is_version(version), "{version}");
        }
    }
}
