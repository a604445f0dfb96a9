//! The part of a request behind the question mark.

use super::{Page, Repository, unescape};
use crate::oci::digest::{Algorithm, ContentDigest};
use crate::oci::reference::grammar;
use crate::quote::quote;
use crate::registry::refusal::{Reason, Refusal};
use crate::store::TagName;

/// Docker Hub has had several names; images are known by the first.
const HUB: &str = "docker.io";
const OTHER_HUBS: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// More parameters than any client sends.
const MOST: usize = 128;

/// Names with values, in the order in which they came.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        if pairs.clone().count() > MOST {
            return Err(Refusal::new(Reason::Unsupported, format!("more than {MOST} parameters"))
                .with_status(hyper::StatusCode::BAD_REQUEST));
        }
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((unescape(name)?.into_owned(), unescape(value)?.into_owned()))
        });
        pairs.collect::<Result<_, Refusal>>().map(Query)
    }

    /// The first value of `name`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All values of `name`.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// `digest`, if there is one.
    pub(super) fn digest(&self, name: &str) -> Result<Option<ContentDigest>, Refusal> {
        self.get(name).map(digest).transpose()
    }

    /// `digest-algorithm`, if there is one.
    pub(super) fn algorithm(&self) -> Result<Option<Algorithm>, Refusal> {
        let parse = |text: &str| text.parse().map_err(|error| invalid_digest(&error));
        self.get("digest-algorithm").map(parse).transpose()
    }

    /// `ns`: the registry that an image comes from.
    pub(super) fn namespace(&self) -> Result<Option<String>, Refusal> {
        let Some(host) = self.get("ns").filter(|host| !host.is_empty()) else { return Ok(None) };
        if host.len() > 255 || !grammar::is_host(host) {
            let message = format!("the parameter `ns` is `{}`, which is no host", quote(host));
            return Err(Refusal::new(Reason::NameInvalid, message));
        }
        let host = if OTHER_HUBS.contains(&host) { HUB } else { host };
        Ok(Some(host.to_owned()))
    }

    /// `n` and `last`.
    pub(super) fn page(&self) -> Result<Page, Refusal> {
        let limit = self.get("n").map(|text| {
            let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            number.ok_or_else(|| {
                let message = format!("`n` is `{}`, which is not a whole number", quote(text));
                Refusal::new(Reason::PaginationNumberInvalid, message)
            })
        });
        let after = self.get("last").filter(|last| !last.is_empty()).map(str::to_owned);
        Ok(Page { limit: limit.transpose()?, after })
    }
}

/// A digest, checked.
pub(super) fn digest(text: &str) -> Result<ContentDigest, Refusal> {
    text.parse().map_err(|error| invalid_digest(&error))
}

fn invalid_digest(error: &crate::error::Error) -> Refusal {
    Refusal::new(Reason::DigestInvalid, error.message())
}

/// A tag, checked.
pub(super) fn tag(text: &str) -> Result<TagName, Refusal> {
    TagName::new(text).map_err(|error| Refusal::new(Reason::TagInvalid, error.message()))
}

/// A repository, checked.
pub(super) fn repository(namespace: Option<String>, path: &str) -> Result<Repository, Refusal> {
    if path.len() > grammar::LONGEST_REPOSITORY || !path.split('/').all(grammar::is_element) {
        let message = format!("`{}` is not the name of a repository", quote(path));
        return Err(Refusal::new(Reason::NameInvalid, message));
    }
    Ok(Repository { namespace, path: path.to_owned() })
}
