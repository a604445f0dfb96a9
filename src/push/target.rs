//! A registry that images are pushed to, and the names they have there.
//!
//! `docker.io/library/x:1` is kept in `https://harbor.lab/platform` as `platform/docker.io/library/x:1`: the registry
//! that an image comes from stays a part of its name, so that no two images meet under one. Nodes find it there under
//! its original name, because containerd asks a mirror with a path of its own (`https://harbor.lab/v2/platform/docker.io`)
//! below that path.

use std::fmt;

use crate::error::{Error, Result, codes};
use crate::fetch::Url;
use crate::oci::reference::{Reference, grammar};
use crate::quote::quote;

/// A registry, and the project in it under which everything is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Without path.
    base: Url,
    /// `platform`, or nothing.
    prefix: String,
}

impl Target {
    /// The registry at `https://HOST:PORT/PREFIX`; port and prefix may be absent. `http://` means without TLS.
    ///
    /// # Errors
    /// [`codes::FETCH_URL`] if that is no address of a registry.
    pub fn parse(text: &str) -> Result<Target> {
        let refused = |why: &str| {
            let message = format!("`{}` is not the address of a registry: {why}", quote(text));
            Error::new(codes::FETCH_URL, message)
                .with_help("write `https://HOST:PORT/PROJECT`; the port and the project may be absent")
        };
        let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err(refused("it begins with `https://` and a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("a password in it would end up in settings and logs; give it in a file"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused("nothing may stand behind the project"));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        if !prefix.is_empty() && !prefix.split('/').all(grammar::is_element) {
            return Err(refused("a project has small letters, digits, and `.`, `_`, `-` between them"));
        }
        let mut base = url;
        base.set_path("");
        Ok(Target { base, prefix })
    }

    /// `HOST` or `HOST:PORT`, as people log in to it.
    pub fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// `https://HOST:PORT`.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The project, `platform`; empty if there is none.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether what is sent there can be read and changed on the way.
    pub fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// The repository of an image there.
    pub fn repository(&self, image: &Reference) -> String {
        format!("{}/{}", self.path_of(image.host()), image.repository())
    }

    /// The mirror that containerd is given for images of `host`, with the path that stands before their own.
    pub fn mirror(&self, host: &str) -> String {
        format!("{}/v2/{}", self.address(), self.path_of(host))
    }

    /// Where repositories of `host` begin. A port is written `__5000`: no host has underscores, so that no two of
    /// them become one.
    fn path_of(&self, host: &str) -> String {
        let element = host.to_ascii_lowercase().replace(':', "__");
        if self.prefix.is_empty() { element } else { format!("{}/{element}", self.prefix) }
    }

    /// Where `what`, such as `manifests/1.0`, of a repository is asked for.
    pub(super) fn url(&self, repository: &str, what: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{repository}/{what}"));
        url
    }
}

/// `harbor.lab/platform`, as images are named.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(formatter, "{}{slash}{}", self.host(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reference(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn an_image_keeps_the_registry_it_comes_from_in_its_name() {
        let harbor = Target::parse("https://harbor.lab:8443/platform/").unwrap();
        assert_eq!(harbor.repository(&reference("busybox:1")), "platform/docker.io/library/busybox");
        assert_eq!(harbor.mirror("docker.io"), "https://harbor.lab:8443/v2/platform/docker.io");
        assert_eq!(
            (harbor.host(), harbor.to_string()),
            ("harbor.lab:8443".to_owned(), "harbor.lab:8443/platform".to_owned())
        );
        let plain = Target::parse("http://10.0.0.1").unwrap();
        assert_eq!(plain.repository(&reference("registry.lab:5000/a/b:1")), "registry.lab__5000/a/b");
        assert_eq!(plain.mirror("registry.lab:5000"), "http://10.0.0.1/v2/registry.lab__5000");
        assert!(plain.is_plain() && !harbor.is_plain());
        assert_eq!(plain.url("a/b", "blobs/uploads/").as_str(), "http://10.0.0.1/v2/a/b/blobs/uploads/");
    }

    #[test]
    fn what_is_no_registry_is_refused_without_its_password() {
        for text in [
            "",
            "harbor.lab",
            "ftp://harbor.lab",
            "https://",
            "https://user:hunter2@harbor.lab",
            "https://harbor.lab/Platform",
            "https://harbor.lab/a//b",
            "https://harbor.lab/a b",
            "https://harbor.lab/a?b",
            "https://harbor.lab/a#b",
        ] {
            let error = Target::parse(text).expect_err(text);
            assert_eq!(error.code(), codes::FETCH_URL);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn no_two_images_meet_under_one_name(
            one in "[a-z]{1,3}\\.[a-z]{2}(:[1-9][0-9]{0,2})?/[a-z0-9]{1,3}(__?[a-z0-9]{1,2})?(/[a-z]{1,2})?:1",
            other in "[a-z]{1,3}\\.[a-z]{2}(:[1-9][0-9]{0,2})?/[a-z0-9]{1,3}(__?[a-z0-9]{1,2})?(/[a-z]{1,2})?:1",
        ) {
            let target = Target::parse("https://harbor.lab/platform").unwrap();
            let (one, other) = (reference(&one), reference(&other));
            let repository = target.repository(&one);
            prop_assert!(repository.split('/').all(grammar::is_element));
            prop_assert_eq!(repository == target.repository(&other), one.name() == other.name());
        }
    }
}
