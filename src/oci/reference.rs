//! Image references: `host/repository:tag@digest`, always with their host.
//!
//! The grammar is the one of the distribution project; on top of it airlock wants a tag or a digest, since
//! "whatever is newest" is not something that can be carried across a gap twice.

pub(crate) mod grammar;

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote;

/// A complete reference. `busybox:1.36` becomes `docker.io/library/busybox:1.36`, as Docker means it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// The host as written, with its port: `docker.io`, `registry.lab:5000`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository below the host: `library/busybox`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if the reference is pinned.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// `host/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if quote::has_credentials(text) {
            let help = "delete everything up to `@`, and give the credentials to `docker login` instead";
            return Err(malformed(text, "it carries a user name or password", help));
        }
        // The grammar says only that something is wrong; a digest cut short deserves a better word.
        let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
        let digest = digest.map(str::parse::<Digest>).transpose()?;
        if digest.is_none() && !last_element(text).contains(':') && !text.is_empty() {
            let shown = quote::quote(text);
            let help = format!(
                "name the version, for example `{shown}:1.0`; a moving tag such as `{shown}:latest` is pinned by bundle.lock"
            );
            return Err(malformed(text, "it has neither tag nor digest", &help));
        }
        let grammar::Parts { host, repository, tag } = grammar::parse(name).map_err(|reason| {
            let help =
                "write `host/repository:tag` in lower case, for example `docker.io/library/busybox:1.36`";
            malformed(text, explain(text, reason), help)
        })?;
        Ok(Reference { host, repository, tag, digest })
    }
}

fn malformed(text: &str, reason: &str, help: &str) -> Error {
    let message = format!("`{}` is not an image reference: {reason}", quote::quote(text));
    Error::new(codes::IMAGE_REFERENCE, message).with_help(help)
}

fn last_element(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// The commonest mistakes have names of their own.
fn explain<'a>(text: &str, reason: &'a str) -> &'a str {
    if text.is_empty() {
        "it is empty"
    } else if text.contains(char::is_whitespace) {
        "it contains white space"
    } else if text.contains("://") {
        "it is a URL"
    } else if text.chars().any(|character| character.is_ascii_uppercase()) {
        "repository names are lower case"
    } else {
        reason
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn short_names_are_completed_as_docker_does() {
        for (text, whole) in [
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("rancher/k3s:v1.36.3-k3s1", "docker.io/rancher/k3s:v1.36.3-k3s1"),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
            ("quay.io/a/b:1", "quay.io/a/b:1"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), whole);
        }
        let pinned = format!("quay.io/a/b@sha256:{HEX}").parse::<Reference>().unwrap();
        assert_eq!((pinned.tag(), pinned.digest().is_some()), (None, true));
    }

    #[test]
    fn malformed_references_are_refused_with_help() {
        let short = format!("quay.io/a/b@sha256:{}", &HEX[1..]);
        let upper = format!("quay.io/a/b@sha256:{}", HEX.to_uppercase());
        for text in [
            "",
            "busybox",
            "quay.io/a/b",
            "quay.io/A/b:1",
            "Team/app:1",
            "quay.io/a/b:größe",
            "quay.io/a/b:\u{5dd}",
            "quay.io/a b:1",
            "quay.io/../b:1",
            "https://quay.io/a:1",
            "localhost:5000/a",
            "a:b:c",
            "a:",
            &short,
            &upper,
            "-a:1",
            "a/\u{1b}[31m:1",
        ] {
            let error = text.parse::<Reference>().expect_err(text);
            assert_eq!(error.kind().exit_status(), 3, "{text}");
            assert!(error.help().is_some(), "{text}");
            assert!(!error.message().contains('\u{1b}'));
        }
    }

    #[test]
    fn refusals_quote_little_and_no_password() {
        let long = "x".repeat(5000);
        let long_digest = format!("a:1@sha256:{long}");
        for text in [&long, &format!("{long}:1:2"), &long_digest, &format!("{long}@{long}")] {
            let error = text.parse::<Reference>().expect_err(text);
            assert!(error.message().chars().count() < 200, "{}", error.message());
            assert!(error.help().unwrap().chars().count() < 400, "{error:?}");
        }
        for text in ["user:hunter2@quay.io/a:1", "https://user:hunter2@quay.io/a:1", "user:hunter2@quay.io/a"]
        {
            let error = text.parse::<Reference>().expect_err(text);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert!(error.help().unwrap().contains("docker login"), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(
            host in "[a-z]{1,8}\\.[a-z]{2,3}(:[1-9][0-9]{0,3})?",
            repository in "[a-z0-9]{1,8}(/[a-z0-9]{1,8}([._-][a-z0-9]{1,4})?){0,3}",
            tag in "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}",
        ) {
            let text = format!("{host}/{repository}:{tag}");
            let reference: Reference = text.parse().unwrap();
            prop_assert_eq!(reference.to_string(), text);
        }

        #[test]
        fn no_input_panics(text in "\\PC*") {
            let _ = text.parse::<Reference>();
        }
    }
}
