//! Packages as they are listed: on apt's command line one would write them the same way, but for groups.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use crate::debian::solver::{Request, Selector};
use crate::debian::version::Version;
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::apt::Wish;
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::suggest::{listed as in_words, nearest};
use crate::spec::yaml::{Entries, Located};

use super::super::name;
use super::super::text::{located, text};
use super::super::{Check, again, lacking, refused};

/// The packages of each group.
pub(super) type Groups = BTreeMap<String, Vec<Wish>>;

/// One entry of a list of packages.
pub(super) struct Listed {
    /// As typed.
    text: String,
    span: Range<usize>,
    /// Itself, or what the group has.
    wishes: Vec<Wish>,
}

/// All groups. A group has packages only.
pub(super) fn groups(check: &mut Check<'_>, groups: Option<&Entries<Located<Vec<Text>>>>) -> Option<Groups> {
    let entries = groups.map(|groups| groups.0.as_slice()).unwrap_or_default();
    let groups = check.each(entries, |check, (key, list)| {
        let name = check.keep(group_name(check.source, key));
        let packages = check.each(&list.value, |check, value| check.keep(in_group(check.source, value)));
        if list.value.is_empty() {
            let message = format!("group `{}` is empty", quote(&key.value));
            let help = "write its packages, or delete it";
            return check.keep(Err(lacking(check.source, &list.span, message, help)));
        }
        Some((name?, packages?))
    })?;
    Some(groups.into_iter().collect())
}

fn group_name(source: &Source<'_>, key: &Text) -> Result<String> {
    let typed = text(source, key)?;
    match name::fault(typed) {
        None => Ok(typed.to_owned()),
        Some(reason) => {
            let message = format!("a group cannot be called `{}`: {reason}", quote(typed));
            Err(refused(
                source,
                &key.span,
                message,
                "choose a short word, such as `ha`; it is used as `\"@ha\"`",
            ))
        }
    }
}

fn in_group(source: &Source<'_>, value: &Text) -> Result<Wish> {
    if value.value.starts_with('@') {
        let message = format!("`{}` is a group within a group", quote(&value.value));
        return Err(refused(source, &value.span, message, "write the packages of that group instead"));
    }
    wish(source, value)
}

/// An entry of `packages`. `groups` is `None` if those are wrong themselves.
pub(super) fn listed(source: &Source<'_>, value: &Text, groups: Option<&Groups>) -> Result<Listed> {
    let entry = |wishes| Listed { text: value.value.clone(), span: value.span.clone(), wishes };
    let Some(group) = value.value.strip_prefix('@') else {
        return wish(source, value).map(|wish| entry(vec![wish]));
    };
    text(source, value)?;
    match groups.map(|groups| groups.get(group).ok_or_else(|| groups.keys())) {
        None => Ok(entry(Vec::new())),
        Some(Ok(wishes)) => Ok(entry(wishes.clone())),
        Some(Err(known)) => {
            let known: Vec<&str> = known.map(String::as_str).collect();
            let help = match (nearest(group, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => format!("did you mean `\"@{near}\"`?"),
                (None, false) => format!("the groups are {}", in_words(known)),
                (None, true) => format!("define it: `groups: {{{}: [keepalived, haproxy]}}`", quote(group)),
            };
            Err(refused(source, &value.span, format!("there is no group `{}`", quote(group)), help))
        }
    }
}

/// What is asked for, in order. A package that several groups have is wanted once; one that is written down twice
/// is a mistake.
pub(super) fn joined(source: &Source<'_>, lists: [&[Listed]; 2]) -> Result<Vec<Wish>> {
    let mut lines = HashMap::new();
    let mut known = HashSet::new();
    let mut wishes = Vec::new();
    for entry in lists.into_iter().flatten() {
        if let Some(first) = lines.insert(&entry.text, source.line(entry.span.start)) {
            return Err(listed_twice(source, entry, first));
        }
        wishes.extend(entry.wishes.iter().filter(|wish| known.insert(&wish.text)).cloned());
    }
    Ok(wishes)
}

fn listed_twice(source: &Source<'_>, entry: &Listed, first: usize) -> Error {
    let message =
        format!("`{}` is listed twice for the same target, also on line {first}", quote(&entry.text));
    again(source, &entry.span, message, format!("delete the entry on line {first} or this one"))
}

/// The name of a package, without version, suite or architecture.
pub(super) fn name(source: &Source<'_>, value: &Text) -> Result<String> {
    let name = text(source, value)?;
    match name_fault(name) {
        None => Ok(name.to_owned()),
        Some(fault) => Err(unusable(source, value, fault)),
    }
}

/// One package. What apt would take for something else is refused: a file, a pattern, the wish to remove it.
fn wish(source: &Source<'_>, value: &Text) -> Result<Wish> {
    let typed = text(source, value)?;
    let fault = match typed.strip_suffix('^') {
        Some(task) => name_fault(task),
        None => match shape_fault(typed) {
            None => request_fault(&located(source, value, Request::parse(typed))?),
            fault => fault,
        },
    };
    match fault {
        None => Ok(Wish { text: typed.to_owned(), line: source.line(value.span.start) }),
        Some(fault) => Err(unusable(source, value, fault)),
    }
}

/// What is wrong, and what to do about it.
type Fault = (String, String);

fn unusable(source: &Source<'_>, value: &Text, (reason, help): Fault) -> Error {
    let message = format!("`{}` does not name a package: {reason}", quote(&value.value));
    source.error(codes::PACKAGE_REQUEST, message, &value.span, "").with_help(help)
}

fn fault(reason: &str, help: impl Into<String>) -> Option<Fault> {
    Some((reason.to_owned(), help.into()))
}

/// What apt would not take for the name of a package at all.
fn shape_fault(typed: &str) -> Option<Fault> {
    if typed.contains(char::is_whitespace) {
        fault("it holds white space", "make every package an entry of its own: `[curl, jq]`")
    } else if typed.ends_with(".deb") || typed.contains("://") {
        fault(
            "it is a file",
            "carry a single `.deb` under `files`, or name the package and its repository here",
        )
    } else {
        None
    }
}

fn request_fault(request: &Request) -> Option<Fault> {
    let is_architecture =
        |text: &str| text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    let is_suite = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-._~".contains(&c));
    if let Some(fault) = name_fault(&request.name) {
        return Some(fault);
    }
    if request.architecture.as_deref().is_some_and(|architecture| !is_architecture(architecture)) {
        return fault("what follows `:` is no architecture", "write `name:arm64`; a version follows `=`");
    }
    match &request.selector {
        Selector::Candidate => None,
        Selector::Release(suite) if is_suite(suite) => None,
        Selector::Release(_) => fault("what follows `/` is no suite", "write `name/bookworm-backports`"),
        Selector::Version(version) if version.contains(['*', '?']) => {
            let help =
                format!("write the whole version, or list `{}` and add a pin with `version:`", request.name);
            fault("its version is a pattern", help)
        }
        Selector::Version(version) => Version::parse(version)
            .err()
            .map(|error| (error.message().to_owned(), error.help().unwrap_or_default().to_owned())),
    }
}

/// Names of packages: two or more of a-z, 0-9, `+`, `-` and `.`, a letter or digit first (Debian Policy 5.6.1).
fn name_fault(name: &str) -> Option<Fault> {
    let bare = name.trim_end_matches('-');
    if name.contains(['*', '?']) {
        fault("patterns cannot be installed", "write the names out; patterns are for `pins` and `only`")
    } else if bare.len() < name.len() {
        let help =
            format!("write `{}`; apt would take the `-` at the end for a wish to remove it", quote(bare));
        fault("it ends in `-`", help)
    } else if is_name(name) {
        None
    } else if is_name(&name.to_ascii_lowercase()) {
        fault("names are in lower case", format!("write `{}`", name.to_ascii_lowercase()))
    } else {
        fault("it is no name", "names are two or more of a-z, 0-9, `+`, `-` and `.`, a letter or digit first")
    }
}

fn is_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() >= 2
        && name.starts_with(alphanumeric)
        && name.chars().all(|c| alphanumeric(c) || matches!(c, '+' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_fine(typed: &str) -> bool {
        let text = format!("[{typed:?}]");
        let value = Text { value: typed.to_owned(), span: 1..text.len() - 1 };
        wish(&Source::new("f", &text), &value).is_ok()
    }

    #[test]
    fn what_apt_would_install_is_accepted() {
        for typed in [
            "nfs-common",
            "g++",
            "libstdc++6",
            "keepalived=1:2.2.7-1+b2",
            "curl/bookworm-backports",
            "libc6:arm64",
            "libc6:arm64=2.36-9",
            "ubuntu-server^",
            "0ad",
        ] {
            assert!(is_fine(typed), "{typed}");
        }
    }

    #[test]
    fn what_apt_would_take_for_something_else_is_refused() {
        for typed in [
            "",
            "a",
            "^",
            "@",
            "curl-",
            "Curl",
            "curl=",
            "curl/",
            "curl:",
            "curl=7.*",
            "lib*",
            "./curl.deb",
            "curl jq",
            "https://example.com/x",
            "curl:7.88",
            "curl:ARM64",
            "curl/a b",
            "curl=1_2",
            "-oDebug::x=1",
            "curl/../x",
        ] {
            assert!(!is_fine(typed), "{typed}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_never_an_option_nor_two_words(typed in "[-a-z0-9+.:=/^@ ]{0,12}") {
            if is_fine(&typed) {
                prop_assert!(!typed.starts_with('-') && !typed.contains(' '));
            }
        }
    }
}
