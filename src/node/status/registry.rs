//! Whether the registry answers that a node pulls from, and what it has.

use serde::Serialize;

use crate::error::Result;
use crate::node::registry::fingerprint;
use crate::node::registry::peer::{Network, Peer};
use crate::node::settings::Registry;
use crate::oci::digest::Digest;
use crate::store::{Content as _, Store};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// A registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryHealth {
    /// Where it is: that of the node first, if it has one.
    pub endpoints: Vec<String>,
    /// Whether one of them answers; nothing where a registry of the site was not asked.
    pub answers: Option<bool>,
    /// Why it does not.
    pub why: Option<String>,
    /// Those of other nodes that do not answer, as long as one does.
    pub silent: Vec<String>,
    /// The port at which other nodes reach it, where the registry is its own.
    pub port: Option<u16>,
    /// Fingerprint of its authority, `SHA256:…`, where the registry is its own: other nodes know it by that.
    pub fingerprint: Option<String>,
    /// The certificate of that authority, in PEM.
    pub authority: Option<String>,
    /// The bundle that other nodes get from it unless they name one: the identity of the newest in the store.
    pub newest: Option<Digest>,
    /// How many bundles the store of this node has, where the registry is its own.
    pub bundles: Option<usize>,
    /// How many names of images it has.
    pub images: Option<usize>,
}

impl RegistryHealth {
    /// Asks the registry of these settings. `authority` is what it is known by, in PEM.
    pub fn of(registry: &Registry, authority: Option<&[u8]>, network: &Network) -> RegistryHealth {
        let own = match registry {
            Registry::Own { port, .. } => Some(*port),
            Registry::Peers { .. } => None,
            // What a registry of the site asks for before it answers is not known here.
            Registry::External { endpoint, .. } => {
                return RegistryHealth { endpoints: vec![endpoint.clone()], ..RegistryHealth::default() };
            }
        };
        let own_endpoint = own.map(|port| format!("https://127.0.0.1:{port}"));
        let endpoints: Vec<String> =
            own_endpoint.into_iter().chain(registry.others().iter().cloned()).collect();
        let ask = |endpoint: &String| -> Result<()> {
            Peer::new(endpoint, authority, network, false)?.document("/healthz", MAX_ANSWER).map(drop)
        };
        let asked: Vec<(&String, Result<()>)> =
            endpoints.iter().map(|endpoint| (endpoint, ask(endpoint))).collect();
        // That others answer does not make a registry of its own right that does not.
        let needed = if own.is_some() { &asked[..1] } else { &asked[..] };
        let answers = needed.iter().any(|(_, answer)| answer.is_ok());
        let why = needed.iter().find_map(|(_, answer)| answer.as_ref().err());
        let why = why.filter(|_| !answers).map(|error| error.message().to_owned());
        let silent = asked.iter().filter(|(_, answer)| answers && answer.is_err());
        let silent = silent.map(|(endpoint, _)| (*endpoint).clone()).collect();
        RegistryHealth {
            answers: Some(answers),
            why,
            silent,
            port: own,
            endpoints,
            ..RegistryHealth::default()
        }
    }

    /// The same with the authority of the registry of this node, in PEM.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn with_authority(self, certificate: &[u8]) -> Result<RegistryHealth> {
        let fingerprint = Some(fingerprint::of_pem(certificate)?);
        let authority = Some(String::from_utf8_lossy(certificate).into_owned());
        Ok(RegistryHealth { fingerprint, authority, ..self })
    }

    /// The same with what a store has.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn with_store(self, store: &Store) -> Result<RegistryHealth> {
        let mut images = 0;
        for repository in store.repository_names()? {
            images += store.tags(&repository, None, usize::MAX)?.map_or(0, |tags| tags.names.len());
        }
        let newest = store.bundle_digests()?.first().copied();
        Ok(RegistryHealth { bundles: Some(store.bundles()?.len()), images: Some(images), newest, ..self })
    }
}
