//! One package as it is asked for: on apt's command line one would write it the same way.

use crate::debian::solver::{Request, Selector};
use crate::debian::version::Version;
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::apt::Wish;
use crate::spec::raw::Text;
use crate::spec::source::Source;

use super::super::text::{located, text};

/// The name of a package, without version, suite or architecture.
pub(super) fn name(source: &Source<'_>, value: &Text) -> Result<String> {
    let name = text(source, value)?;
    let bare = name.split(['=', '/', ':']).next().unwrap_or_default();
    match name_fault(name) {
        None => Ok(name.to_owned()),
        Some(_) if is_name(bare) && bare.len() < name.len() => {
            Err(unusable(source, value, ("it is more than a name".to_owned(), format!("write `{bare}`"))))
        }
        Some(fault) => Err(unusable(source, value, fault)),
    }
}

/// One package. What apt would take for something else is refused: a file, a pattern, the wish to remove it.
pub(super) fn wish(source: &Source<'_>, value: &Text) -> Result<Wish> {
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
