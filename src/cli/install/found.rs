//! Opens the bundle, wherever it is, and asks whether it is to be believed.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::consent::ConsentOptions;
use super::source::Source;
use super::{InstallArgs, again, consent};
use crate::bundle::signed::{SignedManifest, VerifiedManifest};
use crate::bundle::{Bundle, names};
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
use crate::node::settings::{Registry, Settings};
use crate::node::trust::signers::{self, Consent};
use crate::node::trust::state::State;
use crate::oci::digest::Digest;
use crate::quote::quote;
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
    let authority = authority(source, arguments, settings, machine, session)?;
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
            let (signed, place) = stored(&store, arguments.bundle.as_deref())?;
            let (policy, list) = believe(&signed.claimed_signers())?;
            let verified = signed.verify(&policy).map_err(explain)?;
            let signers = verified.signers.clone();
            (Arc::new(Stored::new(store, verified)), place, list, signers)
        }
        Source::Server(url) => {
            let peers = peers(url, settings, authority.as_deref(), network)?;
            let signed = Remote::signed(&peers, arguments.bundle.as_deref().map(digest).transpose()?)?;
            let (policy, list) = believe(&signed.claimed_signers())?;
            let verified = signed.verify(&policy).map_err(explain)?;
            let signers = verified.signers.clone();
            let remote = Remote::new(peers, signed, verified, &machine.path(INCOMING));
            let has_store = matches!(settings.registry, Registry::Own { in_place: false, .. });
            let remote = if has_store { remote.beside(machine.path(STORE)) } else { remote };
            (Arc::new(remote), Place::Server, list, signers)
        }
    };
    if signers.is_empty() {
        session.warn("the bundle is not signed: nobody vouches for what is in it");
    }
    let signed_by = signers.into_iter().map(|signer: TrustedSigner| signer.fingerprint).collect();
    let revoked = arguments.trust.revoked.as_deref().map(revoked_bytes).transpose()?;
    Ok(Found { origin, place, list, revoked, signed_by, authority })
}

/// The newest bundle of the store, or the one that is named.
fn stored(store: &Store, bundle: Option<&str>) -> Result<(SignedManifest, Place)> {
    let newest = store.bundle_digests()?.first().copied();
    let Some(bundle) = bundle else {
        return Ok((Stored::latest(store)?.ok_or_else(nothing_imported)?, Place::Store));
    };
    let wanted = bundle.rsplit_once('@').map(|(name, version)| names::stem(name, version));
    let record = store.find_bundle(wanted.as_deref().unwrap_or(bundle))?;
    let signed = Stored::signed(store, &record.digest)?.filter(|_| record.imported.is_some());
    let signed = signed.ok_or_else(|| {
        Error::new(codes::NO_BUNDLE, format!("the import of {} is not complete", quote(&record.stem())))
            .with_help("import it again: `airlock store import BUNDLE`")
    })?;
    match newest == Some(record.digest) {
        true => Ok((signed, Place::Store)),
        false => {
            let again = SignedManifest { bytes: signed.bytes.clone(), signatures: signed.signatures.clone() };
            Ok((signed, Place::Earlier(Arc::new(again))))
        }
    }
}

/// The identity of a bundle, by which other nodes are asked for it.
fn digest(bundle: &str) -> Result<Digest> {
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

/// Whether this node believes a bundle that somebody sends, and may have it.
pub(in crate::cli) fn believe_sent(
    signed: &SignedManifest,
    consent: ConsentOptions,
    trust: TrustOptions,
    machine: &Machine,
    session: &Session,
) -> Result<VerifiedManifest> {
    let arguments = InstallArgs { consent, ..again::without_options(trust) };
    let settings = super::before(machine)?.unwrap_or_default();
    let (policy, _) = believe(&signed.claimed_signers(), &arguments, &settings, machine)?;
    let verified = signed.verify(&policy).map_err(|error| explain(error, &settings))?;
    let state = State::read(machine)?;
    super::judge(&state, &verified.manifest, verified.digest, &arguments, session)?;
    Ok(verified)
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
fn authority(
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

fn nothing_imported() -> Error {
    Error::new(codes::NO_BUNDLE, "the store of this node holds no bundle")
        .with_help("name one: `airlock install /media/stick`")
}
