//! Pull-through: what the store lacks is asked of the registry that an image comes from, and kept. For mirrors
//! on the connected side.
//!
//! Everything goes by way of the store. A [`mod@manifest`] is brought into it before it is answered from there,
//! as for every other request; it may lack its blobs. A [`mod@blob`] is sent while it comes: a [`transfer`]
//! writes it into an upload, and everybody who asks for it meanwhile [`follow`]s that. However many ask for the
//! same thing at the same time, the upstream is asked once. Bytes get their name when they have its digest;
//! until then nobody is sent the last one.

pub(super) mod blob;
mod flight;
pub(super) mod follow;
mod freshness;
pub(super) mod manifest;
mod relay;
mod transfer;
mod trouble;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::flight::Flights;
use self::freshness::Freshness;
use self::transfer::Transfers;
use super::answer::Result;
use super::route::{Reference, Repository};
use super::service::Inner;
use super::{failure, lookup};
use crate::fetch::Client;
use crate::oci;
use crate::store::RepositoryName;

/// What images without the name of a registry belong to; Docker asks its mirrors for them by the path alone.
const HUB: &str = "docker.io";

/// Which upstreams there are, and how they are asked.
pub struct Settings {
    /// The registries that may be asked, as they stand in the names of images.
    pub hosts: Hosts,
    /// Asks them; its settings say where they are, and hold credentials and certificate authorities.
    pub client: Client,
    /// How long a tag is believed before the upstream is asked whether it has moved.
    pub refresh: Duration,
}

/// The registries that may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// These.
    pub named: BTreeSet<String>,
    /// Whichever one a client names.
    pub any: bool,
}

/// The upstreams of a running server.
pub(super) struct Upstreams {
    hosts: Hosts,
    client: Client,
    registry: oci::registry::Registry,
    freshness: Freshness,
    documents: Arc<Flights<(RepositoryName, Reference), manifest::Brought>>,
    transfers: Arc<Transfers>,
}

impl Upstreams {
    pub(super) fn new(settings: Settings) -> Upstreams {
        Upstreams {
            hosts: settings.hosts,
            registry: oci::registry::Registry::new(settings.client.clone()),
            client: settings.client,
            freshness: Freshness::new(settings.refresh),
            documents: Arc::default(),
            transfers: Arc::default(),
        }
    }

    /// The repository that a client means, if an upstream is responsible for it. Blocks on the disk.
    pub(super) fn name(&self, inner: &Inner, repository: &Repository) -> Result<Option<RepositoryName>> {
        let written = lookup::written(inner, repository)?;
        let failed = |error| failure::refusal(inner, error);
        let host = match written.host() {
            Some(host) if self.hosts.any || self.hosts.named.contains(host) => host,
            None if self.hosts.named.contains(HUB)
                && !inner.settings.content.has_repository(&written).map_err(failed)? =>
            {
                HUB
            }
            _ => return Ok(None),
        };
        // Names of one part are short for the official images there.
        let path = match written.path() {
            path if host == HUB && !path.contains('/') => format!("library/{path}"),
            path => path.to_owned(),
        };
        RepositoryName::new(Some(host), &path).map(Some).map_err(failed)
    }
}
