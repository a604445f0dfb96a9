//! Where some bytes can be got: one place, or several that hold the same.

use std::sync::Arc;

use reqwest::Url;

use super::shown;
use crate::error::{Error, Result, codes};

/// The places that hold some bytes, best first. Made by [`Location::url`], or by the registry client for
/// blobs, which may lie on mirrors.
#[derive(Clone, Debug)]
pub struct Location {
    pub(super) name: String,
    /// Never empty. All but the last are mirrors.
    pub(super) places: Vec<Place>,
    /// The bytes are named by their digest, so every place and every moment gives the same ones.
    pub(super) immutable: bool,
}

/// One server that has the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: Url,
    /// Which permission is needed; without it none is asked for.
    pub(crate) access: Option<Access>,
}

/// The permission a request to a registry needs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    /// The host as people log in to it; `docker.io` although the server has another name.
    pub(crate) host: Arc<str>,
    /// The repository, for credentials of a single one.
    pub(crate) repository: Arc<str>,
    /// What is to be done there.
    pub(crate) right: Right,
}

/// What a request to a registry is about to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Right {
    /// To read.
    Pull,
    /// To write, and to take over blobs of this other repository.
    Push { from: Option<Arc<str>> },
}

impl Access {
    /// The permission to read `repository` of `host`.
    pub(crate) fn pull(host: &str, repository: &str) -> Access {
        Access { host: host.into(), repository: repository.into(), right: Right::Pull }
    }

    /// The permission to write to `repository` of `host`, with blobs that the repository `from` has.
    pub(crate) fn push(host: &str, repository: &str, from: Option<&str>) -> Access {
        let right = Right::Push { from: from.map(Into::into) };
        Access { host: host.into(), repository: repository.into(), right }
    }

    /// What a token has to be good for, in the words of the token specification of the distribution project.
    /// `wanted` is what the registry asks for in its challenge; to push, that may be too little, since it knows
    /// nothing of the requests to come.
    pub(super) fn scopes(&self, wanted: Option<&str>) -> Vec<String> {
        let pull = |repository: &str| format!("repository:{repository}:pull");
        match &self.right {
            Right::Pull => vec![wanted.map_or_else(|| pull(&self.repository), str::to_owned)],
            Right::Push { from } => {
                let push = format!("repository:{}:pull,push", self.repository);
                std::iter::once(push).chain(from.iter().map(|from| pull(from))).collect()
            }
        }
    }
}

impl Location {
    /// A plain `http://` or `https://` URL, fetched without credentials.
    ///
    /// # Errors
    /// [`codes::FETCH_URL`] if it is no such URL, or has a password in it.
    pub fn url(url: &str) -> Result<Location> {
        let url = parse(url)?;
        Ok(Location { name: shown::url(&url), places: vec![Place { url, access: None }], immutable: false })
    }

    /// Content of a registry that is named by its digest.
    pub(crate) fn blob(name: String, places: Vec<Place>) -> Location {
        Location { name, places, immutable: true }
    }

    /// What it is called in messages: a URL without its query, or the name of a blob.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// An absolute HTTP URL, as a user wrote it.
pub(super) fn parse(text: &str) -> Result<Url> {
    let refused = |reason: &str| {
        // What stands before an `@` may be a password.
        let tail = text.rsplit('@').next().unwrap_or_default();
        Error::new(codes::FETCH_URL, format!("`{}` cannot be fetched: {reason}", shown::printable(tail)))
            .with_help("write a URL such as `https://host/path/file`")
    };
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused("only http and https are supported"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("a user name or password in a URL would end up in the lock and in logs"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_asks_for_all_that_it_will_need() {
        let access = Access::pull("lab", "a/b");
        assert_eq!(access.scopes(None), ["repository:a/b:pull"]);
        assert_eq!(access.scopes(Some("repository:a/b:pull,delete")), ["repository:a/b:pull,delete"]);
        let access = Access::push("lab", "a/b", Some("c"));
        assert_eq!(
            access.scopes(Some("repository:a/b:pull")),
            ["repository:a/b:pull,push", "repository:c:pull"]
        );
    }

    #[test]
    fn only_http_urls_without_passwords_are_locations() {
        assert_eq!(Location::url("https://a/b?signature=x").unwrap().name(), "https://a/b");
        for text in ["", "a/b", "ftp://a/b", "file:///etc/shadow", "https://user:hunter2@a/b", "http://"] {
            let error = Location::url(text).expect_err(text);
            assert_eq!((error.code(), error.kind().exit_status()), (codes::FETCH_URL, 3));
            assert!(!error.message().contains("hunter2"));
        }
    }
}
