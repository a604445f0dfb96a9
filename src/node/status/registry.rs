//! Whether the registry answers that a node pulls from, and what it has.

use serde::Serialize;

use crate::error::Result;
use crate::node::registry::peer::{Network, Peer};
use crate::node::settings::Registry;
use crate::store::{Content as _, Store};

/// Largest answer that is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// A registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryHealth {
    /// Where it is.
    pub endpoints: Vec<String>,
    /// Whether one of them answers; nothing where a registry of the site was not asked.
    pub answers: Option<bool>,
    /// Why it does not.
    pub why: Option<String>,
    /// How many bundles the store of this node has, where the registry is its own.
    pub bundles: Option<usize>,
    /// How many names of images it has.
    pub images: Option<usize>,
}

impl RegistryHealth {
    /// Asks the registry of these settings. `authority` is what it is known by, in PEM.
    pub fn of(registry: &Registry, authority: Option<&[u8]>, network: &Network) -> RegistryHealth {
        let endpoints = match registry {
            Registry::Own { port, .. } => vec![format!("https://127.0.0.1:{port}")],
            Registry::Peers { endpoints } => endpoints.clone(),
            // What a registry of the site asks for before it answers is not known here.
            Registry::External { endpoint, .. } => {
                return RegistryHealth { endpoints: vec![endpoint.clone()], ..RegistryHealth::default() };
            }
        };
        let ask = |endpoint: &String| -> Result<()> {
            Peer::new(endpoint, authority, network, false)?.document("/healthz", MAX_ANSWER).map(drop)
        };
        let mut why = None;
        let answers = endpoints.iter().any(|endpoint| match ask(endpoint) {
            Ok(()) => true,
            Err(error) => {
                why = Some(error.message().to_owned());
                false
            }
        });
        let why = why.filter(|_| !answers);
        RegistryHealth { endpoints, answers: Some(answers), why, ..RegistryHealth::default() }
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
        Ok(RegistryHealth { bundles: Some(store.bundles()?.len()), images: Some(images), ..self })
    }
}
