//! Getting bytes over HTTP from servers that are slow, far away, overloaded, or not what they say.
//!
//! [`Client`] holds what is shared by all transfers of a run: connections, tokens, proxies, settings of hosts.
//! Small things come whole, by [`Client::document`]; large ones go into a [`Sink`] by [`fn@download`], which
//! continues where it was cut off. Both work on a [`Location`]: one or several places that hold the same
//! bytes, tried in order.
//!
//! One request goes down these layers, each its own module:
//!
//! | layer | module | decides |
//! |---|---|---|
//! | places | `tour` | which server is asked next when one fails |
//! | attempts | `retry` | whether and when the same server is asked again |
//! | permission | `authorization` | which `Authorization` a request carries |
//! | redirects | `redirect` | which other server may be followed to |
//! | connection | `transport` | TLS, certificate authorities, proxies |
//!
//! What went wrong travels upwards as a `Failure`: an [`Error`](crate::error::Error) together with the
//! verdict whether trying again can help. The HTTP client of the `oci-client` crate is not used: it never
//! tries again, goes on without credentials when a token cannot be had, and asks for a token per blob.

mod authorization;
mod challenge;
mod client;
mod credential_helper;
mod credentials;
pub mod docker_config;
mod document;
mod download;
mod exchange;
mod failure;
mod location;
mod payload;
mod pinned;
mod proxies;
mod range;
mod redirect;
mod retry;
mod settings;
mod shown;
mod size;
mod stall;
mod tls;
mod token;
mod tour;
mod transport;

pub use client::Client;
pub use credentials::{CredentialSource, Credentials, NoCredentials};
pub(crate) use document::web_page;
pub use document::{Document, Limits};
pub use download::{Sink, download};
pub(crate) use exchange::{Answer, Refused, Request};
pub use failure::TooManyRequests;
pub(crate) use failure::{Failure, Verdict};
pub use location::Location;
pub(crate) use location::{Access, Place};
pub(crate) use payload::{Long, Payload};
pub use proxies::Proxies;
pub use reqwest::Url;
pub(crate) use reqwest::{Method, StatusCode};
pub use settings::{RetryPolicy, Settings, Timeouts};
pub(crate) use shown::printable;
pub(crate) use tour::{Existence, Tour};
