//! `airlock install`: a machine without internet becomes a node of a cluster.

pub(super) mod again;
pub(super) mod consent;
mod found;
mod gate;
mod handover;
mod host;
mod joining;
mod login;
mod options;
mod other_nodes;
pub(super) mod report;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use self::found::Found;
pub(super) use self::found::believe_sent;
use self::gate::Survey;
use self::options::NodeOptions;
use self::report::{Outcome, Planned};
use super::bundle::trust_options::TrustOptions;
use super::files;
use super::root;
use super::secret_file;
use super::session::Session;
use crate::bundle::manifest::Manifest;
use crate::error::{Error, Result, codes};
use crate::fetch::CredentialSource;
use crate::node::facts::Facts;
use crate::node::install::{self, Context, Preparation, hosts, precondition};
use crate::node::k3s::paths;
use crate::node::k3s::token::Token;
use crate::node::lock;
use crate::node::machine::Machine;
use crate::node::plan::Plan;
use crate::node::registry::peer::Network;
use crate::node::run;
use crate::node::settings::{self, Settings};
use crate::node::step::Step;
use crate::node::trust::clock;
use crate::node::trust::state::{Standing, State};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::secret::Secret;

/// Make this machine a node of a cluster, from a bundle
///
/// The first machine becomes a server and founds a cluster; others join it as servers or agents. Everything
/// comes from the bundle: nothing is fetched from the internet. Needs root.
///
/// It may be interrupted at any moment and simply be run again: it continues, and changes nothing that is as it
/// should be. A run without options repeats the settings of the last one; an option changes that setting alone.
///
/// Beside a bundle the program is called `install`, and takes the bundle that lies there. Once a node has a program of
/// its own, /usr/local/bin/airlock, that one does the work, whichever is started; a bundle brings its successor.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct InstallArgs {
    /// The bundle: its directory or one of its volumes [default: where `install` lies, else that of the last run]
    #[arg(value_name = "MEDIUM", conflicts_with = "from")]
    pub medium: Option<PathBuf>,

    /// A certain bundle of the store instead of the newest: NAME@VERSION, or the digest of its manifest. With --from,
    /// or without a store, the digest of one that the other node has
    #[arg(long, value_name = "BUNDLE", conflicts_with = "medium")]
    pub bundle: Option<String>,

    /// Show what would change on this machine, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Do not ask before the first change
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Time by a watch, if the clock of this machine is wrong: 2026-05-04T14:30+02:00
    #[arg(long, value_name = "TIME")]
    pub set_clock: Option<Timestamp>,

    /// Weigh the checks of this machine as FILE says (`airlock node preflight`); it is kept for later runs
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Options of the source.
    #[command(flatten)]
    pub source: source::SourceOptions,

    /// Options of the node.
    #[command(flatten)]
    pub node: NodeOptions,

    /// Options of first trust.
    #[command(flatten)]
    pub consent: consent::ConsentOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

/// Most bytes of a file with a token that are read.
const TOKEN_LIMIT: u64 = 4096;

const EXAMPLES: &str = "\
Examples:
  sudo /media/stick/install
  sudo airlock install /media/stick --plan
  sudo ./install --role agent --from https://10.0.0.1:5443 --ca-fingerprint SHA256:… \\
      --join https://10.0.0.1:6443 --token-file token";

pub(super) fn run(arguments: InstallArgs, session: &Session) -> Result<()> {
    root::require("making a machine a node", session)?;
    let machine = Machine::this();
    if handover::is_due(&machine)? {
        return handover::to_pinned(&arguments, session, &[], None);
    }
    if !arguments.plan {
        lock::refuse_if_held(&machine)?;
    }
    let before = before(&machine)?;
    let mut settings = arguments.node.settings(before.as_ref(), session)?;
    let source = source::choose(&arguments, &settings, session)?;
    source.remember(&mut settings, &arguments);
    settings.check()?;
    precondition::foreign_cluster(&machine)?;
    precondition::change(&machine, before.as_ref(), &settings)?;
    let credentials = login::credentials(&arguments.node, &settings, &machine, session)?;
    let network = network(credentials, session);
    let found = found::open(&source, &arguments, &settings, &machine, &network, session)?;
    found.remember(&mut settings, &arguments.trust);
    let state = State::read(&machine)?;
    judge(&state, found.origin.manifest(), found.origin.digest(), &arguments, session)?;
    if arguments.set_clock.is_none() {
        clock::check(Timestamp::now(), clock::floor(&state, found.origin.manifest()))?;
    }
    let survey = Survey::of(&settings, found.origin.manifest(), &machine);
    let preparation = survey.pass(&arguments, &settings, &machine, session)?;
    let token = token(&arguments, &settings, &machine)?;
    let context =
        context(&arguments, settings, found, (preparation, &survey.facts), token, &machine, network)?;
    let steps = install::steps(&context)?;
    let plan = Plan::make(&steps, &machine)?;
    if arguments.plan {
        return session.print(&plan, |plan| Planned(plan).to_string());
    }
    if !plan.is_empty() && !arguments.yes && !consent::to_changes(&plan)? {
        session.note("Nothing was changed");
        return Ok(());
    }
    finish(&arguments, &context, &steps, &machine, session)
}

fn finish(
    arguments: &InstallArgs,
    context: &Context,
    steps: &[Box<dyn Step>],
    machine: &Machine,
    session: &Session,
) -> Result<()> {
    let done = run::run("install", steps, machine, session.progress())?;
    if done.handover {
        // Who was asked has consented to this bundle.
        let consent: &[&str] = if arguments.yes { &[] } else { &["--yes"] };
        return handover::to_pinned(arguments, session, consent, context.token.as_ref());
    }
    let outcome = Outcome::new(context, done, machine)?;
    session.print(&outcome, Outcome::human)
}

/// The settings of the last run.
fn before(machine: &Machine) -> Result<Option<Settings>> {
    machine.read(settings::PATH)?.map(|bytes| Settings::parse(&bytes)).transpose()
}

fn context(
    arguments: &InstallArgs,
    settings: Settings,
    found: Found,
    (preparation, facts): (Preparation, &Facts),
    token: Option<Secret<String>>,
    machine: &Machine,
    network: Network,
) -> Result<Context> {
    let host = machine.read_text("/proc/sys/kernel/hostname")?.unwrap_or_default();
    let platform = Platform::current().ok_or_else(|| {
        Error::new(codes::NODE_PLATFORM, "airlock makes nodes of x86-64 and 64-bit Arm machines only")
            .with_help("use another machine")
    })?;
    let host_parts = host::parts(&settings, &found.origin, platform, machine, facts)?;
    Ok(Context {
        preparation,
        packages: host_parts.packages,
        nvidia: host_parts.nvidia,
        machine: machine.clone(),
        node: hosts::node_name(&settings, &host)?,
        surroundings: host_parts.surroundings,
        segment: host_parts.segment,
        token,
        settings,
        origin: found.origin,
        place: found.place,
        platform,
        signers: found.list,
        revoked: found.revoked,
        signed_by: found.signed_by,
        authority: found.authority,
        time: arguments.set_clock,
        network,
    })
}

/// The token of the cluster: who joins one needs it, who founds one makes it.
fn token(arguments: &InstallArgs, settings: &Settings, machine: &Machine) -> Result<Option<Secret<String>>> {
    match &arguments.node.token_file {
        Some(path) if path == Path::new(options::INPUT) => {
            let text = secret_file::from_input("token of the cluster", TOKEN_LIMIT)?;
            Token::parse(text.reveal()).map(Some)
        }
        Some(path) => {
            secret_file::require_closed(path, "make a new token, `k3s token rotate`, on the first server")?;
            let text = Secret::new(files::read_text(path, "token file", TOKEN_LIMIT)?);
            Token::parse(text.reveal()).map(Some)
        }
        None if settings.join.is_some() && machine.metadata(paths::TOKEN)?.is_none() => Err(Error::new(
            codes::NODE_SETTINGS,
            "a node that joins a cluster needs its token",
        )
        .with_help(
            "copy /var/lib/rancher/k3s/server/token of the first server to this machine, mode 0600, and name \
                 it: `--token-file FILE`",
        )),
        None => Ok(None),
    }
}

fn judge(
    state: &State,
    manifest: &Manifest,
    bundle: Digest,
    arguments: &InstallArgs,
    session: &Session,
) -> Result<()> {
    match state.judge(manifest, bundle, arguments.consent.allow_downgrade)? {
        Standing::Newer { suspiciously: true } => session.warn(&format!(
            "serial {} is much higher than the last one of channel `{}`: once it is installed, no lower one is \
             accepted any more",
            manifest.serial, manifest.channel
        )),
        Standing::Older { than } => {
            session.warn(&format!("going back from serial {than} to {}, as you asked", manifest.serial));
        }
        Standing::First if !state.channels.is_empty() => session.warn(&format!(
            "this node had bundles of another channel than `{}` so far, whose serials say nothing about this one",
            manifest.channel
        )),
        Standing::First | Standing::Same | Standing::Newer { .. } => {}
    }
    Ok(())
}

fn network(credentials: Arc<dyn CredentialSource>, session: &Session) -> Network {
    Network { runtime: tokio::runtime::Handle::current(), credentials, progress: session.shared_progress() }
}
