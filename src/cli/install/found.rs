//! Opens the bundle, wherever it is, and asks whether it is to be believed.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::source::Source;
use super::{InstallArgs, consent};
use crate::bundle::Bundle;
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::install::Place;
use crate::node::k3s::paths::REGISTRY_CA;
use crate::node::machine::Machine;
use crate::node::origin::Origin;
use crate::node::origin::remote::{INCOMING, Remote};
use crate::node::origin::stored::Stored;
use crate::node::registry::fingerprint::Fingerprint;
use crate::node::registry::peer::{Network, Peer};
use crate::node::registry::{STORE, introduction};
use crate::node::trust::signers::{self, Consent};
use crate::store::Store;
use crate::trust::Policy;
use crate::trust::allowed_signers::{self, AllowedSigners};
use crate::trust::key::PublicKey;
use crate::trust::policy::{TrustedSigner, Unsigned};
use crate::trust::revoked::RevokedKeys;

/// A bundle that is believed.
pub(super) struct Found {
    pub(super) origin: Arc<dyn Origin>,
    pub(super) place: Place,
    /// The list of signers to pin.
    pub(super) list: Option<String>,
    /// Fingerprints of those who signed.
    pub(super) signed_by: Vec<String>,
    /// What registries of others are trusted by, in PEM.
    pub(super) authority: Option<Vec<u8>>,
}

pub(super) fn open(
    source: &Source,
    arguments: &InstallArgs,
    machine: &Machine,
    network: &Network,
    session: &Session,
) -> Result<Found> {
    let authority = authority(source, arguments, machine)?;
    let believe = |keys: &[PublicKey]| believe(keys, arguments, machine);
    let (origin, place, list, signers): (Arc<dyn Origin>, _, _, _) = match source {
        Source::Medium(path) => {
            let bundle = Bundle::open(path)?;
            let (policy, list) = believe(&bundle.claimed_signers())?;
            let bundle = Arc::new(bundle.verify(&policy).map_err(explain)?);
            let signers = bundle.signers().to_vec();
            (bundle.clone(), Place::Medium { bundle, path: path.clone() }, list, signers)
        }
        Source::Store => {
            let store = Store::open(&machine.path(STORE))?;
            let signed = Stored::latest(&store)?.ok_or_else(nothing_imported)?;
            let (policy, list) = believe(&signed.claimed_signers())?;
            let verified = signed.verify(&policy).map_err(explain)?;
            let signers = verified.signers.clone();
            (Arc::new(Stored::new(store, verified)), Place::Store, list, signers)
        }
        Source::Server(url) => {
            let peer = Peer::new(url, authority.as_deref(), network, true)?;
            let signed = Remote::latest(&peer)?;
            let (policy, list) = believe(&signed.claimed_signers())?;
            let verified = signed.verify(&policy).map_err(explain)?;
            let signers = verified.signers.clone();
            (Arc::new(Remote::new(peer, verified, &machine.path(INCOMING))), Place::Server, list, signers)
        }
    };
    if signers.is_empty() {
        session.warn("the bundle is not signed: nobody vouches for what is in it");
    }
    let signed_by = signers.into_iter().map(|signer: TrustedSigner| signer.fingerprint).collect();
    Ok(Found { origin, place, list, signed_by, authority })
}

/// The policy of this node for a bundle that these keys have signed, and the list to pin.
pub(super) fn believe(
    keys: &[PublicKey],
    arguments: &InstallArgs,
    machine: &Machine,
) -> Result<(Policy, Option<String>)> {
    let options = &arguments.trust;
    let pinned = match &options.allowed_signers {
        Some(path) => Some(files::read_text(path, "list of allowed signers", allowed_signers::MAX_LENGTH)?),
        None => signers::read(machine)?,
    };
    let is_unsigned = options.allow_unsigned && keys.is_empty();
    let list = match is_unsigned {
        true => pinned,
        false => Some(decide(pinned.as_deref(), keys, arguments)?),
    };
    let allowed = AllowedSigners::parse(signers::PATH, list.as_deref().unwrap_or_default())?;
    let policy = Policy {
        allowed,
        revoked: revoked(options.revoked.as_deref(), machine)?,
        threshold: options.signatures,
        unsigned: if options.allow_unsigned { Unsigned::AllowLoudly } else { Unsigned::Refuse },
        minimum_serial: options.minimum_serial,
    };
    Ok((policy, list))
}

fn decide(pinned: Option<&str>, keys: &[PublicKey], arguments: &InstallArgs) -> Result<String> {
    let date = Timestamp::now().strftime("%Y-%m-%d").to_string();
    if let Some(fingerprint) = &arguments.consent.trust {
        return signers::decide(pinned, keys, Consent::Fingerprint(fingerprint), &date);
    }
    let typed = if pinned.is_none() { consent::to_signer(keys)? } else { None };
    let consent = typed.as_deref().map_or(Consent::None, Consent::Ending);
    signers::decide(pinned, keys, consent, &date)
}

fn revoked(given: Option<&Path>, machine: &Machine) -> Result<RevokedKeys> {
    match given {
        Some(path) => {
            let bytes = files::read(path, "list of revoked keys", allowed_signers::MAX_LENGTH)?;
            RevokedKeys::parse(&path.to_string_lossy(), &bytes)
        }
        None => {
            let bytes = machine.read(signers::REVOKED)?;
            bytes.map_or(Ok(RevokedKeys::default()), |bytes| RevokedKeys::parse(signers::REVOKED, &bytes))
        }
    }
}

/// An unknown signer where others are pinned: who they are, and how one becomes one of them.
pub(super) fn explain(error: Error) -> Error {
    match error.code() {
        codes::SIGNER_UNKNOWN => error
            .with_detail(format!("this node believes the signers of {}", signers::PATH))
            .with_help(
                "compare the fingerprint with its owner, not with the medium; if it is the same, run the same \
                 command with `--trust SHA256:…`",
            ),
        _ => error,
    }
}

/// The certificates that were given, else those that the node knows already.
fn authority(source: &Source, arguments: &InstallArgs, machine: &Machine) -> Result<Option<Vec<u8>>> {
    let options = &arguments.source;
    match (&options.ca, &options.ca_fingerprint, source) {
        (Some(path), _, _) => files::read(path, "certificate authorities", 1024 * 1024).map(Some),
        (None, Some(text), Source::Server(url)) => {
            introduction::authority(url, Fingerprint::parse(text)?).map(Some)
        }
        _ => machine.read(REGISTRY_CA),
    }
}

fn nothing_imported() -> Error {
    Error::new(codes::NO_BUNDLE, "the store of this node holds no bundle")
        .with_help("name one: `airlock install /media/stick`")
}
