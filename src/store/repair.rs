//! Replaces damaged and missing blobs by good ones from elsewhere: a bundle, another node, a registry.

use std::io;

use serde::Serialize;

use super::incoming::{Incoming, Patience};
use super::verify::Damage;
use super::{RepositoryName, Store};
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Result, codes};
use crate::fetch::{self, Client, Location, Sink};
use crate::oci::digest::ContentDigest;
use crate::oci::registry::Registry;
use crate::progress::{Event, Progress, Silent, Stage};

/// Most bytes of a blob that is fetched, 1 TiB.
const MAX_BLOB: u64 = 1 << 40;

/// Where good blobs come from.
pub enum Origin {
    /// A bundle.
    Bundle(Box<Bundle<Verified>>),
    /// Another node or any registry, by its address: `https://node:5000`.
    Peer(Client, String),
    /// The registries that the images once came from.
    Registries(Registry, Client),
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repaired {
    /// Blobs that are right now.
    pub repaired: Vec<ContentDigest>,
    /// Blobs that are still damaged or missing, with the reason.
    pub left: Vec<Left>,
}

/// A blob that could not be repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub digest: ContentDigest,
    /// Why it could not be repaired.
    pub why: String,
}

impl Repaired {
    /// The error that names what is left; nothing if all is well.
    pub fn into_result(self) -> Result<Repaired> {
        if self.left.is_empty() {
            return Ok(self);
        }
        let message = format!(
            "{} of {} blobs could not be repaired",
            self.left.len(),
            self.left.len() + self.repaired.len()
        );
        let error = Error::new(codes::STORE_REPAIR, message).with_help(
            "take the rest from somewhere else: `--from` another bundle, another node, or `registry`",
        );
        let details = self.left.iter().take(100).map(|left| format!("{}: {}", left.digest, left.why));
        Err(details.fold(error, Error::with_detail))
    }
}

impl Store {
    /// Replaces what a check found, as far as `origin` has it. Waits for the network on the runtime that
    /// `runtime` belongs to, so it must not be called from one of its tasks. Reports to [`Stage::Repair`].
    ///
    /// # Errors
    /// Of the store itself only; what `origin` lacks is in the result.
    pub fn repair(
        &self,
        damage: &[Damage],
        origin: &Origin,
        runtime: &tokio::runtime::Handle,
        progress: &dyn Progress,
    ) -> Result<Repaired> {
        progress.event(Event::Started { stage: Stage::Repair, bytes: None });
        let mut repaired = Repaired::default();
        for damage in damage {
            let Some(mut incoming) = Incoming::open(self, damage.digest, Patience::Wait)? else { continue };
            let brought = self.bring(origin, damage.digest, &mut incoming, runtime);
            match brought {
                Ok(()) => {
                    progress.event(Event::Advanced { stage: Stage::Repair, bytes: incoming.length() });
                    match incoming.commit() {
                        Ok(()) => repaired.repaired.push(damage.digest),
                        Err(error) => repaired.left.push(left(damage.digest, &error)),
                    }
                }
                Err(error) if matches!(error.code(), codes::NO_SPACE | codes::STORE_IO) => return Err(error),
                Err(error) => {
                    incoming.give_up();
                    repaired.left.push(left(damage.digest, &error));
                }
            }
        }
        progress.event(Event::Finished { stage: Stage::Repair });
        Ok(repaired)
    }

    fn bring(
        &self,
        origin: &Origin,
        digest: ContentDigest,
        incoming: &mut Incoming<'_>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<()> {
        let client = match origin {
            Origin::Bundle(bundle) => return from_bundle(bundle, digest, incoming),
            Origin::Peer(client, _) | Origin::Registries(_, client) => client,
        };
        let mut failure = nowhere(&digest);
        for location in self.locations(origin, digest)? {
            let fetched =
                runtime.block_on(fetch::download(client, &location, None, MAX_BLOB, incoming, &Silent));
            match fetched {
                Ok(_) => return Ok(()),
                Err(error) => failure = error,
            }
            incoming.restart().map_err(|error| super::files::failed(self.root(), error))?;
        }
        Err(failure)
    }

    /// Where `origin` may have the blob.
    fn locations(&self, origin: &Origin, digest: ContentDigest) -> Result<Vec<Location>> {
        let repositories = self.repositories_with(&digest)?;
        match origin {
            Origin::Bundle(_) => Ok(Vec::new()),
            Origin::Peer(_, base) => {
                let base = base.trim_end_matches('/');
                let in_registry =
                    repositories.iter().map(|name| Location::url(&in_registry(base, name, &digest)));
                let own = Location::url(&format!("{base}/airlock/v1/blobs/{digest}"));
                std::iter::once(own).chain(in_registry).collect()
            }
            Origin::Registries(registry, _) => {
                let hosts = repositories
                    .iter()
                    .filter_map(|name| Some((name.host()?, name.path(), digest.sha256()?)));
                hosts.map(|(host, path, digest)| registry.blob(host, path, digest)).collect()
            }
        }
    }
}

fn in_registry(base: &str, name: &RepositoryName, digest: &ContentDigest) -> String {
    let host = name.host().map(|host| format!("?ns={host}")).unwrap_or_default();
    format!("{base}/v2/{}/blobs/{digest}{host}", name.path())
}

fn from_bundle(bundle: &Bundle<Verified>, digest: ContentDigest, incoming: &mut Incoming<'_>) -> Result<()> {
    let Some(reader) = digest.sha256().and_then(|digest| bundle.blob_reader(digest).ok()) else {
        return Err(nowhere(&digest));
    };
    reader.for_each(|bytes| {
        let path = incoming.file().path().to_owned();
        incoming.write(bytes).map_err(|error| super::files::failed(&path, error))
    })
}

fn nowhere(digest: &ContentDigest) -> Error {
    Error::new(codes::STORE_REPAIR, format!("blob {digest} is not there"))
        .with_help("take it from somewhere else with `--from`")
}

fn left(digest: ContentDigest, error: &Error) -> Left {
    let mut why = error.message().to_owned();
    if let Some(cause) = error.causes().first() {
        why.push_str(": ");
        why.push_str(cause);
    }
    Left { digest, why }
}

impl Sink for Incoming<'_> {
    fn length(&self) -> u64 {
        Incoming::length(self)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        Incoming::write(self, bytes)
    }

    fn restart(&mut self) -> io::Result<()> {
        Incoming::restart(self)
    }
}
