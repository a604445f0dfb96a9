//! `airlock node repair`: puts right what `airlock node verify` finds.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use tokio::runtime::Handle;

use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::install::again::{self, Again};
use crate::cli::install::report::Planned;
use crate::cli::install::{InstallArgs, consent};
use crate::cli::root;
use crate::cli::session::Session;
use crate::cli::store::repair_source::RepairSource;
use crate::cli::{fetching, files};
use crate::error::{Error, Result, codes};
use crate::fetch::Client;
use crate::node::install::{Context, Place};
use crate::node::machine::Machine;
use crate::node::plan::Plan;
use crate::node::registry::fingerprint::Fingerprint;
use crate::node::registry::introduction;
use crate::node::repair::{self, Repaired, Round, Sources, blobs};
use crate::node::step::Step;
use crate::node::verify::{self, Depth, Report};
use crate::spec::HostSettings;
use crate::store::repair::{Remote, Servers, Source};
use crate::ui::human;

/// Put right what `airlock node verify` finds
///
/// Damaged and missing blobs come again from the medium of the last run if it is there, or from wherever
/// `--from` says; packages are unpacked again from the bundle; everything else is done by the steps of the
/// installation. Then everything is checked again, and what is left is named with what to bring. It may be
/// interrupted at any moment and simply be run again. Needs root.
///
/// Exit status: 0 as the bundle says, 9 something could not be repaired.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RepairArgs {
    /// Where good blobs are: a medium, `https://HOST:5443` of another node, `registry://HOST[/PATH]`
    #[arg(long, value_name = "WHERE")]
    pub from: Option<RepairSource>,

    /// Certificate authorities to trust for that server (PEM)
    #[arg(long, value_name = "FILE", requires = "from")]
    pub ca: Option<PathBuf>,

    /// Fingerprint of its authority instead of the certificate, as the other node's `install` has printed it
    #[arg(long, value_name = "SHA256:…", requires = "from", conflicts_with = "ca")]
    pub ca_fingerprint: Option<String>,

    /// File with the token of the cluster, if that of the node is lost
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Show what would change on this machine, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Do not ask before the first change
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node repair --plan
  sudo airlock node repair --from /media/stick
  sudo airlock node repair --from https://10.0.0.2:5443 --ca-fingerprint SHA256:…";

/// What was found, what was done, and what is left.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    #[serde(flatten)]
    repaired: Repaired,
    before: Report,
    /// Missing where the machine has to be restarted first.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Report>,
}

pub(super) fn run(arguments: RepairArgs, session: &Session) -> Result<()> {
    root::require("repairing a node", session)?;
    let authority = arguments.authority()?;
    let Again { context, signed } = again::again(arguments.installation(), session)?;
    let before = verify::verify(&context, Depth::Usual, session.progress())?;
    let blobs = arguments.places(&context, authority, session)?;
    let sources = Sources { blobs, signed, runtime: Handle::current() };
    let rounds = repair::rounds(&context, &before, sources)?;
    if arguments.plan {
        let plan = plan(&rounds, &context.machine)?;
        return session.print(&plan, |plan| Planned(plan).to_string());
    }
    if !before.is_clean() && !arguments.yes && !consent::to_changes(&plan(&rounds, &context.machine)?)? {
        session.note("Nothing was changed");
        return Ok(());
    }
    finish(&context, &rounds, before, session)
}

fn finish(context: &Context, rounds: &[Round], before: Report, session: &Session) -> Result<()> {
    let repaired = match before.is_clean() {
        true => Repaired::default(),
        false => repair::repair(rounds, &context.machine, session.progress())?,
    };
    let after = match (before.is_clean(), repaired.reboot_for) {
        (true, _) => Some(before.clone()),
        (_, Some(_)) => None,
        _ => Some(verify::verify(context, Depth::Usual, session.progress())?),
    };
    let outcome = Outcome { repaired, before, after };
    session.print(&outcome, Outcome::human)?;
    outcome.after.as_ref().map_or(Ok(()), |after| outcome.repaired.into_result(after))
}

/// What all rounds would change now.
fn plan(rounds: &[Round], machine: &Machine) -> Result<Plan> {
    let plans = rounds.iter().map(|round: &Vec<Box<dyn Step>>| Plan::make(round, machine));
    let steps = plans.collect::<Result<Vec<_>>>()?.into_iter().flat_map(|plan| plan.steps);
    Ok(Plan { steps: steps.collect() })
}

impl RepairArgs {
    /// The installation to come back to, with the bundle from where it was named.
    fn installation(&self) -> InstallArgs {
        let mut install = again::without_options(self.trust.clone());
        install.node.token_file.clone_from(&self.token_file);
        install.source.ca.clone_from(&self.ca);
        install.source.ca_fingerprint.extend(self.ca_fingerprint.clone());
        match &self.from {
            Some(RepairSource::Bundle(path)) => install.medium = Some(path.clone()),
            Some(RepairSource::Encrypted(Servers::Node(host))) => {
                install.source.from = Some(format!("https://{host}"));
            }
            _ => {}
        }
        install
    }

    /// What the server is trusted by, in PEM; nothing if the authorities of the machine are meant.
    fn authority(&self) -> Result<Option<Vec<u8>>> {
        let node = match &self.from {
            Some(RepairSource::Encrypted(Servers::Node(host))) => Some(format!("https://{host}")),
            _ => None,
        };
        match (&self.ca, &self.ca_fingerprint, node) {
            (Some(path), _, _) => files::read(path, "certificate authorities", 1024 * 1024).map(Some),
            (None, Some(text), Some(url)) => {
                introduction::authority(&url, Fingerprint::parse(text)?).map(Some)
            }
            (None, Some(_), None) => Err(Error::new(codes::USAGE, "--ca-fingerprint is for another node")
                .with_help("name one: `--from https://HOST:5443`")),
            (None, None, _) => Ok(None),
        }
    }

    /// Where good blobs may be: the medium, if there is one, and what was named.
    fn places(
        &self,
        context: &Context,
        authority: Option<Vec<u8>>,
        session: &Session,
    ) -> Result<Vec<blobs::Place>> {
        let mut places = Vec::new();
        if let Place::Medium { bundle, path } = &context.place {
            let name = path.to_string_lossy().into_owned();
            places.push(blobs::Place { name, source: Source::Bundle(bundle.clone()) });
        }
        match &self.from {
            Some(from @ (RepairSource::Encrypted(servers) | RepairSource::Plain(servers))) => {
                let mut settings = fetching::settings(host_settings(from), session)?;
                settings.authorities = from.host().map(str::to_owned).zip(authority).into_iter().collect();
                let name = from.host().unwrap_or("the registries of the images").to_owned();
                let source = Source::Remote(Remote::new(servers.clone(), Client::new(settings)));
                places.push(blobs::Place { name, source });
            }
            Some(RepairSource::Bundle(_)) | None => {}
        }
        Ok(places)
    }
}

fn host_settings(from: &RepairSource) -> BTreeMap<String, HostSettings> {
    let plain_http = matches!(from, RepairSource::Plain(_));
    let settings = HostSettings { plain_http, ..HostSettings::default() };
    from.host().map(|host| (host.to_owned(), settings)).into_iter().collect()
}

impl Outcome {
    /// What is left is told by the error.
    fn human(&self) -> String {
        let Report { node, bundle, .. } = &self.before;
        let repaired = self.before.findings().count();
        if repaired == 0 {
            return format!("nothing to repair: {node} is as {bundle} says\n");
        }
        if let Some(step) = self.repaired.reboot_for {
            return format!(
                "the machine has to be restarted (step {step}); afterwards it continues by itself:\n  sudo reboot\n"
            );
        }
        let steps = match self.repaired.changed.as_slice() {
            [] => String::new(),
            steps => format!("done again: {}\n", steps.join(", ")),
        };
        match self.after.as_ref().is_some_and(Report::is_clean) {
            true => format!(
                "{steps}{node} is as {bundle} says again: {} repaired\n",
                human::count(repaired as u64, "finding")
            ),
            false => steps,
        }
    }
}
