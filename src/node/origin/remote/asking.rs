//! Asks other nodes for a bundle, one after the other until one has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::bundle::manifest;
use crate::bundle::signed::SignedManifest;
use crate::error::{Error, Kind, Result, codes};
use crate::node::registry::peer::Peer;
use crate::oci::digest::Digest;
use crate::quote::quote;
use crate::trust::policy::SignatureFile;
use crate::trust::signature;

/// Most bytes of an answer with signatures: as many as anybody makes.
const MAX_SIGNATURES: u64 = 64 * signature::MAX_LENGTH;

/// What a server answers about signatures.
#[derive(Deserialize)]
struct Signatures {
    bundle: Digest,
    signatures: Vec<String>,
}

/// The first answer that is one. A server that does not answer, or has something else, does not keep the others from
/// being asked; other failures are of this machine.
pub(super) fn first_of<P, T>(
    peers: impl Iterator<Item = P>,
    mut ask: impl FnMut(P) -> Result<T>,
) -> Result<T> {
    let mut failure = None;
    for peer in peers {
        match ask(peer) {
            Err(error) if matches!(error.kind(), Kind::Upstream | Kind::Corrupt) => {
                failure.get_or_insert(error);
            }
            result => return result,
        }
    }
    Err(failure.unwrap_or_else(|| {
        Error::new(codes::SERVER_BUNDLE, "no other node is known that has the bundle")
            .with_help("name one: `--from https://HOST:5443`")
    }))
}

pub(super) fn signed_at(peer: &Peer, bundle: Option<Digest>) -> Result<SignedManifest> {
    let path = match bundle {
        Some(digest) => format!("/airlock/v1/manifest?bundle={digest}"),
        None => "/airlock/v1/manifest".to_owned(),
    };
    let bytes = peer.document(&path, manifest::MAX_LENGTH).map_err(|error| match error.code() {
        codes::FETCH_NOT_FOUND => no_bundle(peer, "it does not have it").with_source(error),
        _ => error,
    })?;
    let found = Digest::of(&bytes);
    if bundle.is_some_and(|bundle| bundle != found) {
        return Err(no_bundle(peer, "it gives another one"));
    }
    let answer = peer.document(&format!("/airlock/v1/signatures?bundle={found}"), MAX_SIGNATURES)?;
    let answer: Signatures = serde_json::from_slice(&answer)
        .map_err(|error| no_bundle(peer, "its signatures cannot be understood").with_source(error))?;
    let decoded: std::result::Result<Vec<_>, _> =
        answer.signatures.iter().map(|text| STANDARD.decode(text)).collect();
    let decoded = decoded.ok().filter(|_| answer.bundle == found);
    let decoded = decoded.ok_or_else(|| no_bundle(peer, "its signatures are of something else"))?;
    let named = decoded.into_iter().enumerate().map(|(number, bytes)| SignatureFile {
        name: format!("signature {} of {}", number + 1, peer.address()),
        bytes,
    });
    Ok(SignedManifest { bytes, signatures: named.collect() })
}

fn no_bundle(peer: &Peer, why: &str) -> Error {
    let message = format!("no bundle can be taken from {}: {why}", quote(peer.address()));
    Error::new(codes::SERVER_BUNDLE, message)
        .with_help("see `airlock store list` on that node; its registry has to be that of `airlock install`")
}
