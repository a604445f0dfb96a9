//! A registry as containerd on a node asks it.

use std::fmt;

use crate::fetch::Credentials;
use crate::push::Target;

/// A registry that images are pulled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// That of a node, at `https://HOST:PORT`: images have their own paths there, and `ns` tells the registry that
    /// they come from.
    Node(String),
    /// That of the site, where the registry that an image comes from is a part of its path.
    Site {
        /// Where it is.
        target: Target,
        /// How nodes log in to pull, if they have to.
        login: Option<Credentials>,
    },
}

impl Endpoint {
    /// The mirror for images of `host` (k3s documentation, "Private Registry Configuration").
    pub fn mirror(&self, host: &str) -> String {
        match self {
            Endpoint::Node(url) => url.clone(),
            Endpoint::Site { target, .. } => target.mirror(host),
        }
    }

    /// The mirror for images of which nobody knows the host beforehand. That of the site has none of them, and says
    /// so at once.
    pub fn mirror_of_others(&self) -> String {
        match self {
            Endpoint::Node(url) => url.clone(),
            Endpoint::Site { target, .. } => format!("{}/v2/{}", target.address(), target.prefix()),
        }
    }

    /// `HOST:PORT`, under which its certificate and login are configured.
    pub fn authority(&self) -> String {
        match self {
            Endpoint::Node(url) => url.trim_start_matches("https://").trim_end_matches('/').to_owned(),
            Endpoint::Site { target, .. } => target.host(),
        }
    }

    /// Whether it shows a certificate.
    pub fn has_tls(&self) -> bool {
        !matches!(self, Endpoint::Site { target, .. } if target.is_plain())
    }

    /// How nodes log in to pull, if they have to.
    pub fn login(&self) -> Option<&Credentials> {
        match self {
            Endpoint::Node(_) => None,
            Endpoint::Site { login, .. } => login.as_ref(),
        }
    }
}

/// Its address, for messages.
impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Node(url) => formatter.write_str(url),
            Endpoint::Site { target, .. } => target.fmt(formatter),
        }
    }
}
