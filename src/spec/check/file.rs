//! The section `files`: where they come from, and a place on the node that nothing else claims.

use std::collections::HashMap;

use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;
use crate::spec::raw::{self, Text};
use crate::spec::source::Source;
use crate::spec::yaml::Located;
use crate::spec::{FileEntry, FileSource};

use super::registry::path;
use super::text::{located, text};
use super::{Check, url};

/// Longest path Linux accepts, with its final NUL (`PATH_MAX`).
const MAX_PATH: usize = 4095;
const DEFAULT_MODE: u32 = 0o644;

/// All files.
pub(super) fn files(check: &mut Check<'_>, entries: &[Located<raw::FileEntry>]) -> Option<Vec<FileEntry>> {
    let mut lines = HashMap::new();
    check.each(entries, |check, entry| {
        let file = file(check, entry)?;
        // Globs may share a directory: what they match is compared when they are expanded.
        if !file.path.ends_with('/')
            && let Some(first) = lines.insert(file.path.clone(), file.line)
        {
            return check.keep(Err(duplicate(check.source, entry, &file, first)));
        }
        Some(file)
    })
}

fn file(check: &mut Check<'_>, entry: &Located<raw::FileEntry>) -> Option<FileEntry> {
    let source = check.source;
    let raw = &entry.value;
    let from = check.keep(file_source(source, entry));
    let is_glob = raw.path.as_ref().is_some_and(|path| has_glob(&path.value));
    let to = check.keep(destination(source, entry, is_glob));
    let mode = check.optional(raw.mode.as_ref(), mode);
    let digest = check.optional(raw.sha256.as_ref(), sha256);
    if let (true, Some(value)) = (is_glob, raw.sha256.as_ref()) {
        check.keep::<()>(Err(source
            .error(codes::SPEC_VALUE, "`sha256` cannot be given for a glob", &value.span, "")
            .with_help(
                "delete it, or name each file in an entry of its own; bundle.lock pins what the glob matches",
            )));
    }
    Some(FileEntry {
        source: from?,
        path: to?,
        mode: mode?.unwrap_or(DEFAULT_MODE),
        digest: digest?,
        allow_secret: raw.allow_secret.unwrap_or(false),
        line: source.line(entry.span.start),
    })
}

fn file_source(source: &Source<'_>, entry: &Located<raw::FileEntry>) -> Result<FileSource> {
    match (entry.value.url.as_ref(), entry.value.path.as_ref()) {
        (Some(value), None) => url::url(source, value).map(FileSource::Url),
        (None, Some(value)) => glob_or_path(source, value).map(FileSource::Path),
        (None, None) => Err(source
            .error(codes::SPEC_MISSING, "an entry of `files` has neither `url` nor `path`", &entry.span, "")
            .with_help("add `url: https://…` to download it, or `path: ./FILE` to take it from here")),
        (Some(url), Some(path)) => {
            let later = if url.span.start > path.span.start { url } else { path };
            let message = "an entry of `files` has both `url` and `path`";
            Err(source
                .error(codes::SPEC_VALUE, message, &later.span, "one too many")
                .with_help("delete one of the two"))
        }
    }
}

fn glob_or_path(source: &Source<'_>, value: &Text) -> Result<String> {
    let path = path(source, value)?;
    if path.contains("://") {
        let message = format!("`{}` is a URL, not a path", quote(&path));
        return Err(source
            .error(codes::SPEC_VALUE, message, &value.span, "")
            .with_help("write `url:` instead of `path:`"));
    }
    match glob::Pattern::new(&path) {
        Err(error) if has_glob(&path) => {
            let message = format!("`{}` is not a valid glob: {}", quote(&path), error.msg);
            Err(source
                .error(codes::SPEC_VALUE, message, &value.span, "")
                .with_help("`*`, `?` and `[…]` are special; a `[` that is meant itself is written `[[]`"))
        }
        _ => Ok(path),
    }
}

fn has_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// An absolute, normalised path; for a glob a directory with `/` at its end.
fn destination(source: &Source<'_>, entry: &Located<raw::FileEntry>, is_glob: bool) -> Result<String> {
    let Some(value) = entry.value.to.as_ref() else {
        return Err(source
            .error(codes::SPEC_MISSING, "an entry of `files` does not say where to put it", &entry.span, "")
            .with_help("add `to: /opt/site/FILE`, an absolute path on the node"));
    };
    let path = text(source, value)?;
    let Some((reason, help)) = destination_fault(path, is_glob) else { return Ok(path.to_owned()) };
    let message = format!("`{}` cannot be a destination: {reason}", quote(path));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

fn destination_fault(path: &str, is_glob: bool) -> Option<(&'static str, String)> {
    let Some(relative) = path.strip_prefix('/') else {
        let help = format!("write `to: /{}`", quote(path.trim_start_matches(['.', '/'])));
        return Some(("it is not absolute", help));
    };
    let directory = relative.is_empty() || relative.ends_with('/');
    let components = relative.strip_suffix('/').unwrap_or(relative);
    if path.len() > MAX_PATH {
        Some(("it is longer than 4095 bytes", "choose a shorter path".to_owned()))
    } else if components.split('/').any(|name| name == "..") {
        Some(("it contains `..`", "write the path without `..`".to_owned()))
    } else if !relative.is_empty() && components.split('/').any(|name| name.is_empty() || name == ".") {
        Some(("it contains `//` or `/./`", format!("write `to: {}`", quote(&normalised(path)))))
    } else if is_glob && !directory {
        Some(("a glob needs a directory", format!("write `to: {}/`", quote(path))))
    } else if !is_glob && directory {
        Some((
            "it is a directory",
            format!("name the file: `to: {}/FILE`", quote(path.trim_end_matches('/'))),
        ))
    } else {
        None
    }
}

fn normalised(path: &str) -> String {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    format!("/{}{}", names.join("/"), if path.ends_with('/') && !names.is_empty() { "/" } else { "" })
}

/// Three or four octal digits, at most 0777.
fn mode(source: &Source<'_>, value: &Text) -> Result<u32> {
    let text = text(source, value)?;
    let digits = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let fault = |reason: &str, help: &str| {
        let message = format!("mode `{}` is not allowed: {reason}", quote(text));
        Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
    };
    match u32::from_str_radix(text, 8) {
        Ok(mode) if digits && mode <= 0o777 => Ok(mode),
        Ok(mode) if digits => fault(
            "setuid, setgid and sticky bits do not travel",
            &format!("write `mode: \"{:04o}\"`", mode & 0o777),
        ),
        _ => fault(
            "it is not octal",
            "write four digits of 0-7 in quotes: `\"0644\"`, or `\"0755\"` for a program",
        ),
    }
}

/// 64 digits.
pub(super) fn sha256(source: &Source<'_>, value: &Text) -> Result<Digest> {
    let text = text(source, value)?;
    let repaired = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let result = Digest::from_hex(text).map_err(|error| match Digest::from_hex(&repaired) {
        Ok(_) => error.with_help(format!("write `sha256: {repaired}`")),
        Err(_) => error,
    });
    located(source, value, result)
}

fn duplicate(source: &Source<'_>, entry: &Located<raw::FileEntry>, file: &FileEntry, first: usize) -> Error {
    let span = entry.value.to.as_ref().map_or(&entry.span, |to| &to.span);
    let message = format!("`{}` is the destination of two files, first on line {first}", quote(&file.path));
    let help = format!("choose another `to:`, or delete the entry on line {first} or this one");
    source.error(codes::SPEC_VALUE, message, span, "again here").with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn destinations_are_absolute_and_normalised() {
        assert!(destination_fault("/opt/x", false).is_none());
        assert!(destination_fault("/opt/x/", true).is_none());
        for path in ["", "opt/x", "/", "/opt//x", "/opt/./x", "/opt/../x", "/..", "/opt/x/", "./x"] {
            assert!(destination_fault(path, false).is_some(), "{path}");
        }
        assert!(destination_fault("/opt", true).is_some());
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_below_the_root(path in "[a./]{0,12}", is_glob: bool) {
            if destination_fault(&path, is_glob).is_none() {
                prop_assert_eq!(normalised(&path), path.clone());
                prop_assert!(!path.split('/').any(|name| name == ".."));
            }
        }
    }
}
