//! Opens the bundle, wherever it is, and asks whether it is to be believed.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::source::Source;
use super::{InstallArgs, consent};
use crate::bundle::Bundle;
use crate::cli::bundle::trust_options::TrustOptions;
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
use crate::node::settings::Settings;
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
    /// The list of keys that do not count any more, if a new one was given.
    pub(super) revoked: Option<Vec<u8>>,
    /// Fingerprints of those who signed.
    pub(super) signed_by: Vec<String>,
    /// What registries of others are trusted by, in PEM.
    pub(super) authority: Option<Vec<u8>>,
}

impl Found {
    /// Keeps what was decided about trust, so that later runs need no options for it: how many have to sign, and
    /// which bundle was accepted that nobody has signed. No other one is by that.
    pub(super) fn remember(&self, settings: &mut Settings, options: &TrustOptions) {
        settings.signatures = threshold(options, settings);
        settings.unsigned = self.signed_by.is_empty().then(|| self.origin.digest());
    }
}

pub(super) fn open(
    source: &Source,
    arguments: &InstallArgs,
    settings: &Settings,
    machine: &Machine,
    network: &Network,
    session: &Session,
) -> Result<Found> {
    let authority = authority(source, arguments, machine)?;
    let believe = |keys: &[PublicKey]| believe(keys, arguments, settings, machine);
    let explain = |error: Error| explain(error, settings);
    let (origin, place, list, signers): (Arc<dyn Origin>, _, _, _) = match source {
        Source::Medium(path) => {
            let bundle = Bundle::open(path)?;
            let (policy, list) = believe(&bundle.claimed_signers())?;
            let bundle = Arc::new(bundle.verify(&policy).map_err(explain)?);
            bundle.check_lengths()?;
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
    let revoked = arguments.trust.revoked.as_deref().map(revoked_bytes).transpose()?;
    Ok(Found { origin, place, list, revoked, signed_by, authority })
}

/// The policy of this node for a bundle that these keys have signed, and the list to pin.
pub(super) fn believe(
    keys: &[PublicKey],
    arguments: &InstallArgs,
    settings: &Settings,
    machine: &Machine,
) -> Result<(Policy, Option<String>)> {
    let options = &arguments.trust;
    let pinned = match &options.allowed_signers {
        Some(path) => Some(files::read_text(path, "list of allowed signers", allowed_signers::MAX_LENGTH)?),
        None => signers::read(machine)?,
    };
    let before = settings.unsigned.map_or(Unsigned::Refuse, Unsigned::AllowExactly);
    let unsigned = options.unsigned().unwrap_or(before);
    let list = match keys.is_empty() && unsigned != Unsigned::Refuse {
        true => pinned,
        false => Some(decide(pinned.as_deref(), keys, arguments)?),
    };
    let allowed = AllowedSigners::parse(signers::PATH, list.as_deref().unwrap_or_default())?;
    let policy = Policy {
        allowed,
        revoked: revoked(options.revoked.as_deref(), machine)?,
        threshold: threshold(options, settings),
        unsigned,
        minimum_serial: options.minimum_serial,
    };
    Ok((policy, list))
}

/// How many have to sign: as typed, else as it was last.
fn threshold(options: &TrustOptions, settings: &Settings) -> usize {
    options.signatures.unwrap_or(settings.signatures)
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
        Some(path) => RevokedKeys::parse(&path.to_string_lossy(), &revoked_bytes(path)?),
        None => {
            let bytes = machine.read(signers::REVOKED)?;
            bytes.map_or(Ok(RevokedKeys::default()), |bytes| RevokedKeys::parse(signers::REVOKED, &bytes))
        }
    }
}

fn revoked_bytes(path: &Path) -> Result<Vec<u8>> {
    files::read(path, "list of revoked keys", allowed_signers::MAX_LENGTH)
}

/// An unknown signer where others are pinned: who they are, and how one becomes one of them. No signer: which bundle
/// may be without.
pub(super) fn explain(error: Error, settings: &Settings) -> Error {
    match error.code() {
        codes::SIGNATURE_MISSING => {
            let error = match settings.unsigned {
                Some(accepted) => error
                    .with_detail(format!("this node accepts one bundle without signature, {accepted}; this is another")),
                None => error,
            };
            error.with_help(
                "have it signed with `airlock bundle sign`; or accept exactly this one, now and in later runs, \
                 whoever made it: `--allow-unsigned`",
            )
        }
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
