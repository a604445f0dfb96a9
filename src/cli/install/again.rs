//! The installation that a node has, from its kept settings and the bundle that it was installed from: for commands
//! that compare the node with it, or bring it back. No newer bundle is chosen here, wherever one may lie.

use std::path::Path;
use std::sync::Arc;

use super::consent::ConsentOptions;
use super::found::{self, Found};
use super::gate::Survey;
use super::options::NodeOptions;
use super::source::{self, Source, SourceOptions};
use super::{InstallArgs, before, context, login, network};
use crate::bundle::signed::SignedManifest;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::install::{Context, Place};
use crate::node::k3s::paths;
use crate::node::k3s::token::Token;
use crate::node::machine::Machine;
use crate::node::origin::stored::Stored;
use crate::node::registry::STORE;
use crate::node::registry::peer::Network;
use crate::node::settings::{Registry, Settings};
use crate::node::trust::signers;
use crate::node::trust::state::{Seen, State};
use crate::quote::quote;
use crate::secret::Secret;
use crate::store::Store;

/// The installation that a node has.
pub(in crate::cli) struct Again {
    /// What its steps follow from.
    pub(in crate::cli) context: Context,
    /// The manifest of the bundle as it was signed, if it was found.
    pub(in crate::cli) signed: Option<SignedManifest>,
}

/// `install` as if no option was given, but those of trust.
pub(in crate::cli) fn without_options(trust: TrustOptions) -> InstallArgs {
    InstallArgs {
        medium: None,
        bundle: None,
        plan: false,
        yes: true,
        set_clock: None,
        policy: None,
        source: SourceOptions::default(),
        node: NodeOptions::default(),
        consent: ConsentOptions::default(),
        trust,
    }
}

/// The installation of this machine. Medium or server in `arguments` are asked before what the settings name.
///
/// # Errors
/// [`codes::NO_BUNDLE`] if nothing was installed, or the bundle is nowhere any more; [`codes::OTHER_BUNDLE`] if the
/// one that is named is another one; those of opening and verifying it.
pub(in crate::cli) fn again(mut arguments: InstallArgs, session: &Session) -> Result<Again> {
    let machine = Machine::this();
    let mut settings = before(&machine)?.ok_or_else(nothing_installed)?;
    settings.check()?;
    let state = State::read(&machine)?;
    let seen = state.channels.values().max_by_key(|seen| seen.at);
    arguments.consent.trust = accepted(seen, &machine)?;
    let credentials = login::credentials(&arguments.node, &settings, &machine, session)?;
    let network = network(credentials, session);
    let search = Search {
        arguments: &arguments,
        settings: &settings,
        machine: &machine,
        network: &network,
        session,
        seen,
    };
    let found = search.find()?;
    let signed = search.signed(&found)?;
    if let (Place::Medium { path, .. }, Registry::Own { in_place: true, .. }) =
        (&found.place, &settings.registry)
    {
        // It is served from there from now on.
        settings.bundle = Some(path.to_string_lossy().into_owned());
    }
    let token = token(&arguments, &settings, &machine)?;
    let survey = Survey::of(&settings, found.origin.manifest(), &machine);
    let preparation = (survey.preparation(&settings), &survey.facts);
    let mut context = context(&arguments, settings, found, preparation, token, &machine, network.clone())?;
    if let (Place::Server, Registry::Own { in_place: false, .. }) =
        (&context.place, &context.settings.registry)
    {
        // The store is that of this node; only what it lacks comes from the other one.
        context.place = Place::Store;
    }
    Ok(Again { context, signed })
}

/// Looks for the bundle of a node.
struct Search<'a> {
    arguments: &'a InstallArgs,
    settings: &'a Settings,
    machine: &'a Machine,
    network: &'a Network,
    session: &'a Session,
    /// What was installed last, if an installation ever came to its end.
    seen: Option<&'a Seen>,
}

impl Search<'_> {
    /// The first place that has the bundle.
    fn find(&self) -> Result<Found> {
        if let Some(path) = &self.arguments.medium {
            return self.right(self.open(&source::medium(path)?)?);
        }
        let mut failure = None;
        for source in self.places() {
            match self.open(&source).and_then(|found| self.right(found)) {
                Ok(found) => return Ok(found),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| nowhere(self.settings)))
    }

    /// The medium of the last run, then the node itself, which is nearer than another one, then others: those that the
    /// settings name, and the one that the operator does.
    fn places(&self) -> Vec<Source> {
        let kept = self.settings.bundle.as_deref().filter(|place| Path::new(place).exists());
        let keeps_store = matches!(self.settings.registry, Registry::Own { in_place: false, .. });
        let has_store = keeps_store || source::has_store(self.settings);
        let other = self.settings.peers().into_iter().next();
        let named = self.arguments.source.from.clone();
        kept.map(|place| Source::Medium(place.into()))
            .into_iter()
            .chain(has_store.then_some(Source::Store))
            .chain(other.into_iter().chain(named).map(Source::Server))
            .collect()
    }

    fn open(&self, source: &Source) -> Result<Found> {
        let Some(seen) = self.seen else { return self.open_with(source, self.arguments) };
        match source {
            // Another one may have been imported since.
            Source::Store => self.stored(seen),
            Source::Server(_) => {
                let arguments =
                    InstallArgs { bundle: Some(seen.bundle.to_string()), ..self.arguments.clone() };
                // One that has another bundle only says which.
                self.open_with(source, &arguments).or_else(|_| self.open_with(source, self.arguments))
            }
            Source::Medium(_) => self.open_with(source, self.arguments),
        }
    }

    fn open_with(&self, source: &Source, arguments: &InstallArgs) -> Result<Found> {
        found::open(source, arguments, self.settings, self.machine, self.network, self.session)
    }

    fn stored(&self, seen: &Seen) -> Result<Found> {
        let store = Store::open(&self.machine.path(STORE))?;
        let signed = Stored::signed(&store, &seen.bundle)?.ok_or_else(|| {
            Error::new(
                codes::NO_BUNDLE,
                format!("the store of this node does not hold the bundle {}", seen.bundle),
            )
            .with_help("name its medium: `airlock node repair --from MEDIUM`")
        })?;
        let (policy, list) =
            found::believe(&signed.claimed_signers(), self.arguments, self.settings, self.machine)?;
        let verified = signed.verify(&policy).map_err(|error| found::explain(error, self.settings))?;
        let signed_by = verified.signers.iter().map(|signer| signer.fingerprint.clone()).collect();
        let origin = Arc::new(Stored::new(store, verified));
        let authority = self.machine.read(paths::REGISTRY_CA)?;
        Ok(Found { origin, place: Place::Store, list, revoked: None, signed_by, authority })
    }

    /// The same, if it is the bundle that was installed.
    fn right(&self, found: Found) -> Result<Found> {
        match self.seen {
            Some(seen) if seen.bundle != found.origin.digest() => {
                let name = quote(&found.origin.name());
                Err(Error::new(
                    codes::OTHER_BUNDLE,
                    format!("the bundle at `{name}` is not the one of this node"),
                )
                .with_detail(format!(
                    "it is {} (serial {})",
                    found.origin.digest(),
                    found.origin.manifest().serial
                ))
                .with_detail(format!("this node has {} (serial {})", seen.bundle, seen.serial))
                .with_help("bring the bundle of this node; or, to go over to that one, `airlock install`"))
            }
            _ => Ok(found),
        }
    }

    /// The manifest with its signatures, from where the bundle was found.
    fn signed(&self, found: &Found) -> Result<Option<SignedManifest>> {
        match found.origin.supply() {
            Some(supply) => {
                let signed = supply.signed();
                let (bytes, signatures) = (signed.manifest.to_vec(), signed.signatures.to_vec());
                Ok(Some(SignedManifest { bytes, signatures }))
            }
            None => Stored::signed(&Store::open(&self.machine.path(STORE))?, &found.origin.digest()),
        }
    }
}

/// Where the list of signers is gone, those are believed whom the node has believed before: who could write its
/// state could write the list.
fn accepted(seen: Option<&Seen>, machine: &Machine) -> Result<Option<String>> {
    Ok(match signers::read(machine)? {
        Some(_) => None,
        None => seen.and_then(|seen| seen.signers.first().cloned()),
    })
}

/// The token that is given; else the one that the cluster keeps, where the file of the node is gone.
fn token(arguments: &InstallArgs, settings: &Settings, machine: &Machine) -> Result<Option<Secret<String>>> {
    if arguments.node.token_file.is_some() {
        return super::token(arguments, settings, machine);
    }
    if machine.metadata(paths::TOKEN)?.is_some() {
        return Ok(None);
    }
    let kept = machine.read_text(&format!("{}/server/token", settings.data_directory))?;
    kept.map(|text| Token::parse(&text)).transpose()
}

fn nothing_installed() -> Error {
    Error::new(codes::NO_BUNDLE, "nothing was installed on this machine by airlock")
        .with_help("`airlock install MEDIUM` makes it a node")
}

fn nowhere(settings: &Settings) -> Error {
    let message = match &settings.bundle {
        Some(path) => format!("the bundle of this node, `{}`, is not there", quote(path)),
        None => "it is not known where the bundle of this node is".to_owned(),
    };
    Error::new(codes::NO_BUNDLE, message)
        .with_help("bring the medium back, or name it: `airlock node repair --from MEDIUM`")
}
