//! `airlock node preflight`: can this machine become a node?

mod human;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::bundle::opened;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::files;
use crate::cli::session::Session;
use crate::cli::site_policy;
use crate::error::{Error, Result, codes};
use crate::node::facts::{Facts, Host, Subnet};
use crate::node::machine::Machine;
use crate::node::plan::{Plan, PlannedStep};
use crate::node::preflight::bundle::BundleSummary;
use crate::node::preflight::{Circumstances, GpuWish, Report, Role, disk_speed, examine, mend, mendings};
use crate::node::run;

/// How long measuring a disk may take.
const MEASUREMENT: Duration = Duration::from_secs(15);

/// Check whether this machine can become a node, and say what to do where it cannot
///
/// Looks at hardware, disks, kernel, names, time, network, packages and GPUs, and compares them with what
/// k3s and the bundle need (docs/preflight.md lists every check). What an earlier, interrupted run of ours
/// left counts for nothing. Without --fix nothing is changed. Ends with 7 if something blocks.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct PreflightArgs {
    /// What the node is to be
    #[arg(long, value_name = "ROLE", default_value = "server")]
    pub role: RoleArgument,

    /// Whether its GPUs are to be used
    #[arg(long, value_name = "WISH", default_value = "auto")]
    pub gpu: GpuArgument,

    /// Check against a bundle: its directory or one of its volumes
    #[arg(long, value_name = "PATH")]
    pub bundle: Option<PathBuf>,

    /// The directory of k3s
    #[arg(long, value_name = "DIR", default_value = "/var/lib/rancher", value_parser = absolute)]
    pub data_dir: String,

    /// Addresses of pods
    #[arg(long, value_name = "NETWORK", default_value = "10.42.0.0/16")]
    pub pod_network: Subnet,

    /// Addresses of services
    #[arg(long, value_name = "NETWORK", default_value = "10.43.0.0/16")]
    pub service_network: Subnet,

    /// Weigh checks as FILE says: severities by id, each with its reason [default: /etc/airlock/preflight-policy.yaml
    /// where that exists]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// Measure how fast the disk for data is; writes up to 22 MiB there, for at most 15 seconds
    #[arg(long)]
    pub measure_disk: bool,

    /// Put right what can safely be put right: settings, modules, a default route
    #[arg(long)]
    pub fix: bool,

    /// What the machine is to become as JSON, and weigh it as an installation does: what that puts right counts as right
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["bundle", "fix"])]
    pub circumstances: Option<PathBuf>,

    /// Show what passed as well
    #[arg(long)]
    pub all: bool,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

/// Most bytes of circumstances that are read.
const CIRCUMSTANCES_LIMIT: u64 = 1024 * 1024;

const EXAMPLES: &str = "\
Examples:
  sudo airlock node preflight --bundle /media/stick
  sudo airlock node preflight --role agent --fix
  airlock node preflight --json | jq -r '.findings[] | select(.verdict == \"failed\") | .remedy'";

/// A role, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum RoleArgument {
    /// Runs the control plane, etcd and the registry, and pods.
    Server,
    /// Runs pods.
    Agent,
}

/// A wish about GPUs, as typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GpuArgument {
    /// There must be some.
    Yes,
    /// Not even if there are some.
    No,
    /// If there are any.
    Auto,
}

#[derive(Serialize)]
struct Outcome {
    circumstances: Circumstances,
    /// What `--fix` did.
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed: Option<Vec<PlannedStep>>,
    #[serde(flatten)]
    report: Report,
}

pub(super) fn run(arguments: PreflightArgs, session: &Session) -> Result<()> {
    let policy = site_policy::read(arguments.policy.as_deref(), &Machine::this())?;
    let mut circumstances = arguments.circumstances(session)?;
    let mut facts = gather(&circumstances);
    if arguments.measure_disk {
        circumstances.write_latency = measured(&facts, &circumstances, session)?;
    }
    let mut report = examine(&facts, &circumstances, &policy);
    if arguments.circumstances.is_some() {
        let possible = mend::possible(mendings(&facts, &circumstances), &Machine::this());
        report = examine(&mend::foresee(&facts, &possible), &circumstances, &policy);
    }
    let mut fixed = None;
    if arguments.fix {
        fixed = Some(fix(&facts, &circumstances, session)?);
        facts = gather(&circumstances);
        report = examine(&facts, &circumstances, &policy);
    }
    let blocked = report.blocking;
    let outcome = Outcome { circumstances, fixed, report };
    session.print(&outcome, |outcome| human::report(&outcome.report, arguments.all))?;
    if blocked == 0 { Ok(()) } else { Err(refused(blocked)) }
}

fn refused(blocked: usize) -> Error {
    let checks = if blocked == 1 { "1 check blocks" } else { &format!("{blocked} checks block") };
    Error::new(codes::PREFLIGHT_BLOCKED, format!("this machine cannot become a node as it is: {checks}"))
        .with_help("do what stands below each of them, then run the command again")
}

impl PreflightArgs {
    fn circumstances(&self, session: &Session) -> Result<Circumstances> {
        match &self.circumstances {
            Some(path) => read(path),
            None => Ok(Circumstances { bundle: self.summary(session)?, ..self.typed() }),
        }
    }

    fn typed(&self) -> Circumstances {
        let role = match self.role {
            RoleArgument::Server => Role::Server,
            RoleArgument::Agent => Role::Agent,
        };
        Circumstances {
            gpu: match self.gpu {
                GpuArgument::Yes => GpuWish::Yes,
                GpuArgument::No => GpuWish::No,
                GpuArgument::Auto => GpuWish::Auto,
            },
            data_directory: self.data_dir.clone(),
            pod_network: self.pod_network,
            service_network: self.service_network,
            ..Circumstances::usual(role)
        }
    }

    fn summary(&self, session: &Session) -> Result<Option<BundleSummary>> {
        let Some(path) = &self.bundle else { return Ok(None) };
        let trust = self.trust.clone().check(session.environment());
        let bundle = opened::open(path, &trust, session)?;
        Ok(Some(BundleSummary::of(bundle.manifest())))
    }
}

fn read(path: &Path) -> Result<Circumstances> {
    let bytes = files::read(path, "circumstances of a node", CIRCUMSTANCES_LIMIT)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(codes::NODE_SETTINGS, format!("`{}` does not hold circumstances", files::shown(path)))
            .with_help("this is for `airlock cluster`, which writes the file; by hand use the other options")
            .with_source(error)
    })
}

fn absolute(path: &str) -> Result<String, String> {
    match Path::new(path).is_absolute() {
        true => Ok(path.trim_end_matches('/').to_owned())
            .map(|path| if path.is_empty() { "/".to_owned() } else { path }),
        false => Err("it must begin with `/`".to_owned()),
    }
}

fn gather(circumstances: &Circumstances) -> Facts {
    Facts::gather(&Host::this(), &circumstances.request())
}

/// The speed of the disk of the data directory; where it cannot be measured, that is told and not a reason to stop.
fn measured(facts: &Facts, circumstances: &Circumstances, session: &Session) -> Result<Option<u64>> {
    let Some(data) = facts.storage.directory(&circumstances.data_directory) else { return Ok(None) };
    session.note(&format!("measuring the disk of {}", data.existing));
    disk_speed::measure(Path::new(&data.existing), MEASUREMENT).map(Some)
}

/// The same steps as those of an installation, with the same journal, so that a reset undoes them.
fn fix(facts: &Facts, circumstances: &Circumstances, session: &Session) -> Result<Vec<PlannedStep>> {
    let machine = Machine::this();
    let steps = mend::steps(&mend::possible(mendings(facts, circumstances), &machine));
    let plan = Plan::make(&steps, &machine)?;
    for change in plan.steps.iter().flat_map(|step| &step.changes) {
        session.note(&format!("will {change}"));
    }
    if !plan.is_empty() {
        run::run("preflight", &steps, &machine, session.progress())?;
    }
    Ok(plan.steps)
}
