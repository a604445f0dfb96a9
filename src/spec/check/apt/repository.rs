//! Repositories besides the distribution's archive.

use crate::error::{Error, Result};
use crate::quote::quote;
use crate::spec::apt::{Repository, SignedBy};
use crate::spec::raw::Text;
use crate::spec::raw::apt as raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::list::{list, pattern, word};
use super::super::{Check, lacking, refused, url};
use super::signed_by;

/// One repository.
pub(super) fn repository(check: &mut Check<'_>, entry: &Located<raw::Repository>) -> Option<Repository> {
    let source = check.source;
    let raw = &entry.value;
    let uri = check.keep(
        required(source, entry, "uri", "https://…", raw.uri.as_ref()).and_then(|value| uri(source, value)),
    );
    let suites = suites(check, entry);
    let components = components(check, entry, suites.as_deref());
    let signed_by = check.keep(keys(source, entry));
    let only = match raw.only.as_ref() {
        Some(patterns) => list(check, "only", patterns, pattern),
        None => Some(Vec::new()),
    };
    Some(Repository {
        uri: uri?,
        suites: suites?,
        components: components?,
        signed_by: signed_by?,
        only: only?,
        allow_expired: raw.allow_expired.unwrap_or(false),
        line: source.line(entry.span.start),
    })
}

fn required<'a, T>(
    source: &Source<'_>,
    entry: &Located<raw::Repository>,
    key: &str,
    example: &str,
    value: Option<&'a T>,
) -> Result<&'a T> {
    value.ok_or_else(|| {
        let message = format!("a repository has no `{key}`");
        lacking(source, &entry.span, message, format!("add `{key}: {example}`"))
    })
}

fn keys(source: &Source<'_>, entry: &Located<raw::Repository>) -> Result<SignedBy> {
    let example = "{url: https://…, fingerprint: …}` or `signedBy: KEYRING";
    let value = required(source, entry, "signedBy", example, entry.value.signed_by.as_ref())?;
    signed_by::signed_by(source, value)
}

/// Where a repository is. Of apt's variables there is `$(ARCH)`.
pub(super) fn uri(source: &Source<'_>, value: &Text) -> Result<String> {
    let uri = url::base_url(source, value)?;
    match uri.replace("$(ARCH)", "").contains('$') {
        false => Ok(uri),
        true => {
            let message = format!("`{}` has a variable that is not known", quote(&uri));
            Err(refused(source, &value.span, message, "only `$(ARCH)` is known, for `amd64` or `arm64`"))
        }
    }
}

/// A suite is part of the path to its `Release`: `dists/SUITE/`, or just itself if it ends in `/`.
pub(super) fn suite(source: &Source<'_>, value: &Text) -> Result<String> {
    let suite = word(source, value)?;
    let leaves = suite.split('/').any(|name| name == "..") || suite.len() > 1 && suite.starts_with('/');
    match leaves || suite.contains(['?', '#', '$']) {
        false => Ok(suite),
        true => {
            let message = format!("`{}` is not a suite", quote(&suite));
            Err(refused(
                source,
                &value.span,
                message,
                "write a name such as `bookworm`, or `/` for a flat repository",
            ))
        }
    }
}

/// Suites of one kind: either all are flat, or none.
fn suites(check: &mut Check<'_>, entry: &Located<raw::Repository>) -> Option<Vec<String>> {
    let source = check.source;
    let value = required(
        source,
        entry,
        "suites",
        "[bookworm]` or, for a flat repository, `suites: [\"/\"]",
        entry.value.suites.as_ref(),
    );
    let value = check.keep(value)?;
    let suites = list(check, "suites", value, suite)?;
    if suites.iter().any(|suite| is_flat(suite)) && !suites.iter().all(|suite| is_flat(suite)) {
        let message = "flat suites, which end in `/`, stand beside others";
        return check.keep(Err(refused(source, &value.span, message, "make two repositories of it")));
    }
    Some(suites)
}

fn is_flat(suite: &str) -> bool {
    suite.ends_with('/')
}

fn components(
    check: &mut Check<'_>,
    entry: &Located<raw::Repository>,
    suites: Option<&[String]>,
) -> Option<Vec<String>> {
    let source = check.source;
    let flat = suites?.iter().all(|suite| is_flat(suite));
    match entry.value.components.as_ref() {
        None if flat => Some(Vec::new()),
        Some(components) if flat && components.value.is_empty() => Some(Vec::new()),
        Some(components) if flat => check.keep(Err(of_flat(source, components))),
        Some(components) => list(check, "components", components, word),
        None => {
            let message = "a repository has no `components`";
            let help = "add `components: [main]`; a flat repository has none, but its suite ends in `/`";
            check.keep(Err(lacking(source, &entry.span, message, help)))
        }
    }
}

fn of_flat(source: &Source<'_>, components: &Located<Vec<Text>>) -> Error {
    let message = "a flat repository has no components";
    let help = "delete `components`, or write the suite without the `/` at its end";
    refused(source, &components.span, message, help)
}
