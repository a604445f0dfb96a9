//! The other nodes that have the bundle, and what they are trusted by.

use super::InstallArgs;
use super::source::Source;
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::k3s::paths::REGISTRY_CA;
use crate::node::machine::Machine;
use crate::node::registry::fingerprint::Fingerprint;
use crate::node::registry::introduction;
use crate::node::registry::peer::{Network, Peer};
use crate::node::settings::Settings;
use crate::oci::digest::Digest;
use crate::quote::quote;

/// The identity of a bundle, by which other nodes are asked for it.
pub(super) fn digest(bundle: &str) -> Result<Digest> {
    bundle.parse().map_err(|error: Error| {
        let message = format!("`{}` does not name a bundle of another node", quote(bundle));
        Error::new(codes::USAGE, message)
            .with_help("name it by the digest of its manifest, sha256:…; `airlock store list` shows it there")
            .with_source(error)
    })
}

/// The node that is named, and the others that the settings know. Only if it is the only one is it asked patiently.
pub(super) fn peers(
    url: &str,
    settings: &Settings,
    authority: Option<&[u8]>,
    network: &Network,
) -> Result<Vec<Peer>> {
    let all = endpoints(url, settings);
    let patience = all.len() == 1;
    all.iter().map(|peer| Peer::new(peer, authority, network, patience)).collect()
}

fn endpoints(url: &str, settings: &Settings) -> Vec<String> {
    let others = settings.peers().into_iter().filter(|peer| peer != url);
    std::iter::once(url.to_owned()).chain(others).collect()
}

/// The certificates that were given, else those that the node knows already.
pub(super) fn authority(
    source: &Source,
    arguments: &InstallArgs,
    settings: &Settings,
    machine: &Machine,
    session: &Session,
) -> Result<Option<Vec<u8>>> {
    let options = &arguments.source;
    if let Some(path) = &options.ca {
        return files::read(path, "certificate authorities", 1024 * 1024).map(Some);
    }
    let known = machine.read(REGISTRY_CA)?;
    if options.ca_fingerprint.is_empty() {
        return Ok(known);
    }
    let endpoints = match source {
        Source::Server(url) => endpoints(url, settings),
        Source::Medium(_) | Source::Store => settings.peers(),
    };
    if endpoints.is_empty() {
        return Err(Error::new(codes::USAGE, "--ca-fingerprint is for other nodes, and none is named")
            .with_help("name one: `--from https://HOST:5443`"));
    }
    let fingerprints: Vec<Fingerprint> =
        options.ca_fingerprint.iter().map(|text| Fingerprint::parse(text)).collect::<Result<_>>()?;
    let introduced = introduction::authorities(&endpoints, &fingerprints, known.as_deref())?;
    for (endpoint, error) in &introduced.silent {
        session.warn(&format!(
            "{}; run the same command again when {endpoint} answers, so that this node trusts it",
            error.message()
        ));
    }
    Ok(Some(introduced.authorities))
}
