//! Brings blobs from other servers: one place after the other, until the right bytes have come.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::owners::Owner;
use super::places::{Place, Servers, Wanted, places};
use super::{is_about_source, is_out_of_order, lacking};
use crate::error::{Code, Error, Result, codes};
use crate::fetch::{self, Client, Sink};
use crate::oci::digest::{ContentDigest, Digest};
use crate::oci::registry::Registry;
use crate::progress::Silent;
use crate::store::files;
use crate::store::incoming::Incoming;

/// Most bytes of a blob that is fetched, 1 TiB.
const MAX_BLOB: u64 = 1 << 40;

/// Servers, and what was learnt about them.
pub struct Remote {
    servers: Servers,
    client: Client,
    registry: Registry,
    /// Hosts that are not asked again, with what they failed with.
    avoided: Mutex<BTreeMap<String, Reason>>,
}

/// Why a host is avoided, to be told for every blob that is left because of it.
struct Reason {
    code: Code,
    message: String,
    help: Option<String>,
}

impl Remote {
    /// Asks `servers` by `client`.
    pub fn new(servers: Servers, client: Client) -> Remote {
        Remote { servers, registry: Registry::new(client.clone()), client, avoided: Mutex::default() }
    }

    /// Fills `incoming` with the bytes of `digest`, which were checked then.
    ///
    /// # Errors
    /// The most telling one of all places: that a server is out of reach says more than that another lacks the blob.
    pub(super) async fn bring(
        &self,
        digest: ContentDigest,
        owners: &[Owner],
        incoming: &mut Incoming<'_>,
    ) -> Result<()> {
        let mut failure = lacking(&digest, "no repository there");
        for place in places(&self.servers, owners) {
            let error = match self.bring_from(&place, digest, incoming).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            incoming.restart().map_err(|error| files::failed(incoming.file().path(), error))?;
            if !is_about_source(&error) {
                return Err(error);
            }
            if !is_out_of_order(&failure) {
                failure = error;
            }
        }
        Err(failure)
    }

    async fn bring_from(
        &self,
        place: &Place,
        digest: ContentDigest,
        incoming: &mut Incoming<'_>,
    ) -> Result<()> {
        self.check_reachable(&place.host)?;
        let fetched = self.fetch(place, digest, incoming).await;
        if let Err(error) = &fetched {
            self.remember(&place.host, error);
        }
        fetched.and_then(|()| incoming.check())
    }

    async fn fetch(&self, place: &Place, digest: ContentDigest, incoming: &mut Incoming<'_>) -> Result<()> {
        let location = match (&place.wanted, digest.sha256()) {
            (Wanted::Anywhere, _) => self.registry.blob_of_node(&place.host, &digest)?,
            (Wanted::Blob(repository), Some(digest)) => {
                self.registry.blob(&place.host, repository, digest)?
            }
            (Wanted::Manifest(repository), Some(digest)) => {
                return self.manifest(&place.host, repository, digest, incoming).await;
            }
            // Registries are asked for SHA-256 only.
            (_, None) => return Err(lacking(&digest, &place.host)),
        };
        fetch::download(&self.client, &location, None, MAX_BLOB, incoming, &Silent).await.map(drop)
    }

    async fn manifest(
        &self,
        host: &str,
        repository: &str,
        digest: Digest,
        incoming: &mut Incoming<'_>,
    ) -> Result<()> {
        let bytes = self.registry.manifest(host, repository, digest).await?;
        incoming.write(&bytes).map_err(|error| files::failed(incoming.file().path(), error))
    }

    /// A server that is down costs its time once, not once for each blob.
    fn check_reachable(&self, host: &str) -> Result<()> {
        let avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reason) = avoided.get(host) else { return Ok(()) };
        let error = Error::new(reason.code, reason.message.clone());
        Err(reason.help.iter().fold(error, |error, help| error.with_help(help)))
    }

    fn remember(&self, host: &str, error: &Error) {
        let is_down = [
            codes::FETCH_CONNECT,
            codes::FETCH_STALLED,
            codes::FETCH_TLS,
            codes::FETCH_PROXY,
            codes::FETCH_WAIT,
        ];
        if is_down.contains(&error.code()) {
            let help = error.help().map(str::to_owned);
            let reason = Reason { code: error.code(), message: error.message().to_owned(), help };
            self.avoided.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), reason);
        }
    }
}

impl Sink for Incoming<'_> {
    fn length(&self) -> u64 {
        Incoming::length(self)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        Incoming::write(self, bytes)
    }

    fn restart(&mut self) -> std::io::Result<()> {
        Incoming::restart(self)
    }
}
