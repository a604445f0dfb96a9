//! Names of repositories and tags, as the distribution specification allows them ("Pulling manifests").
//!
//! A repository is known by the host it comes from and its path there: `docker.io/library/x` and
//! `quay.io/library/x` are two. What was pushed without a host has none.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Result, codes};
use crate::oci::reference::{Reference, grammar};
use crate::quote::quote;

/// Stands for the host of repositories without one. No host and no repository is called so.
const NO_HOST: &str = "_";

/// Longest name of a host in bytes, so that it can be the name of a directory.
const LONGEST_HOST: usize = 255;

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName {
    host: Option<String>,
    path: String,
}

impl RepositoryName {
    /// The repository `path` of `host` (with its port, if it has one). Hosts are compared in lower case.
    ///
    /// # Errors
    /// [`codes::REPOSITORY_NAME`] if one of them breaks the grammar.
    pub fn new(host: Option<&str>, path: &str) -> Result<Self> {
        if let Some(host) = host.filter(|host| host.len() > LONGEST_HOST || !grammar::is_host(host)) {
            return Err(malformed(host, "the name of a registry", "write it as in `registry.lab:5000`"));
        }
        let good = path.len() <= grammar::LONGEST_REPOSITORY && path.split('/').all(grammar::is_element);
        if !good {
            let help = "use lower case letters, digits and `.`, `_`, `-` between them, parts joined by `/`";
            return Err(malformed(path, "the name of a repository", help));
        }
        Ok(RepositoryName { host: host.map(str::to_ascii_lowercase), path: path.to_owned() })
    }

    /// The host, if it has one.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The path below the host.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where its names lie, below `names/`.
    pub(super) fn directory(&self) -> PathBuf {
        PathBuf::from(self.host().unwrap_or(NO_HOST)).join(&self.path)
    }

    /// The repository that lies in the directory `path` of `host`, if these can be names.
    pub(super) fn of_directory(host: &str, path: &str) -> Option<Self> {
        RepositoryName::new(Some(host).filter(|host| *host != NO_HOST), path).ok()
    }
}

impl From<&Reference> for RepositoryName {
    fn from(reference: &Reference) -> Self {
        let host = Some(reference.host().to_ascii_lowercase());
        RepositoryName { host, path: reference.repository().to_owned() }
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(formatter, "{host}/{}", self.path),
            None => formatter.write_str(&self.path),
        }
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagName(String);

impl TagName {
    /// Checks a tag.
    ///
    /// # Errors
    /// [`codes::REPOSITORY_NAME`] if it breaks the grammar.
    pub fn new(text: &str) -> Result<Self> {
        if grammar::is_tag(text) {
            return Ok(TagName(text.to_owned()));
        }
        Err(malformed(
            text,
            "a tag",
            "use up to 128 letters, digits, `_`, `.` and `-`, the first no `.` or `-`",
        ))
    }

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn malformed(text: &str, what: &str, help: &str) -> Error {
    Error::new(codes::REPOSITORY_NAME, format!("`{}` is not {what}", quote(text))).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_could_leave_their_directory_are_refused() {
        for path in ["", ".", "..", "a/../b", "/a", "a/", "a//b", "_tags", "a/_tags", "A", "a\0", "a\n", "ä"]
        {
            assert_eq!(RepositoryName::new(None, path).expect_err(path).code(), codes::REPOSITORY_NAME);
        }
        for host in ["", ".", "..", "_", "a/b", "a\0", "-a", "a:", "a:x", &"a".repeat(256)] {
            assert!(RepositoryName::new(Some(host), "a").is_err(), "{host}");
        }
        for tag in ["", ".", "..", ".x", "-x", "a/b", "a:b", &"a".repeat(129)] {
            assert!(TagName::new(tag).is_err(), "{tag}");
        }
        assert!(RepositoryName::new(None, &"a".repeat(256)).is_err());
    }

    #[test]
    fn the_same_path_of_two_hosts_is_two_repositories() {
        let names =
            [Some("docker.io"), Some("Quay.IO"), None].map(|host| RepositoryName::new(host, "library/x"));
        let shown = names.map(|name| (name.as_ref().unwrap().directory(), name.unwrap().to_string()));
        assert_eq!(shown[0], ("docker.io/library/x".into(), "docker.io/library/x".to_owned()));
        assert_eq!(shown[1], ("quay.io/library/x".into(), "quay.io/library/x".to_owned()));
        assert_eq!(shown[2], ("_/library/x".into(), "library/x".to_owned()));
    }

    proptest! {
        #[test]
        fn accepted_names_stay_below_their_directory(host in ".{0,12}", path in "[a-zA-Z0-9._/-]{0,20}") {
            for name in [RepositoryName::new(Some(&host), &path), RepositoryName::new(None, &path)] {
                let Ok(name) = name else { continue };
                let directory = name.directory();
                let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
                prop_assert!(directory.components().all(plain));
                // Parts that begin with an underscore are ours.
                prop_assert!(name.path().split('/').all(|part| !part.starts_with('_')));
                let text = directory.to_str().unwrap();
                let (host, path) = text.split_once('/').unwrap();
                prop_assert_eq!(RepositoryName::of_directory(host, path), Some(name));
            }
        }
    }
}
