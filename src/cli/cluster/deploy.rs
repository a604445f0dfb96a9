//! `airlock cluster deploy`: all machines of an inventory become one cluster.

mod screen;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::connecting::ConnectionOptions;
use super::record::RecordOptions;
use super::{InventoryOptions, read_inventory, terms};
use crate::bundle::{Bundle, Verified};
use crate::cli::bundle::opened;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::install::consent;
use crate::cli::session::Session;
use crate::cluster::deploy::{Carrier, Deployment, RealTime};
use crate::cluster::inventory::{BATCH, Host, Inventory};
use crate::cluster::log::Logged;
use crate::cluster::order::Terms;
use crate::cluster::plan::{self, ClusterPlan, Medium};
use crate::cluster::remote::{Connect, Remote};
use crate::cluster::report::{Ledger, Report};
use crate::cluster::survey::Survey;
use crate::cluster::survey::conduct::Surveyor;
use crate::cluster::survey::findings::DISPUTABLE;
use crate::cluster::transfer::{self, Sent};
use crate::error::{Error, Result, codes};
use crate::progress::Progress;

/// Make all machines of an inventory one cluster, from a bundle
///
/// First every host is looked at, and who reaches whom; then a plan says what would be done where. The bundle is sent
/// once, to the first server; all others take it from there. Servers come one at a time, each when the datastore is
/// well, everybody else side by side.
///
/// A host that fails does not stop the others: the command ends with 9, and the same command goes on from there. It
/// changes nothing that is as it should be.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DeployArgs {
    /// Which hosts.
    #[command(flatten)]
    pub hosts: InventoryOptions,

    /// How.
    #[command(flatten)]
    pub options: DeployOptions,
}

/// How hosts become nodes.
#[derive(Debug, clap::Args)]
pub struct DeployOptions {
    /// The bundle: its directory or one of its volumes
    #[arg(long, short, value_name = "MEDIUM")]
    pub bundle: PathBuf,

    /// Show what would be done on which host, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Do not ask before the first change
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Restart hosts that need it, such as for a driver, and wait until they are back
    #[arg(long)]
    pub restart: bool,

    /// Go on although the survey has found this; checks of single machines are weighed by --policy
    #[arg(long, value_name = "FINDING", value_parser = DISPUTABLE)]
    pub despite: Vec<String>,

    /// Commands that run at the same time [default: as the inventory says, else 30]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub concurrency: Option<u16>,

    /// Agents that join before the next ones begin
    #[arg(long, value_name = "N", default_value_t = BATCH as u16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batch: u16,

    /// Weigh the checks of the hosts as FILE says (`airlock node preflight`); they keep it
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,

    /// What is kept of it.
    #[command(flatten)]
    pub record: RecordOptions,

    /// Options of the connections.
    #[command(flatten)]
    pub connection: ConnectionOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster deploy --bundle /media/stick --plan
  airlock cluster deploy -i inventory.ini --bundle /media/stick --restart --report report.json
  airlock cluster deploy --bundle /media/stick --limit gpu7,gpu8";

/// Which hosts of an inventory are meant, if not all of them.
pub(super) type Choice<'a> =
    dyn Fn(&Inventory, &dyn Connect, &AtomicBool) -> Result<Option<Vec<String>>> + 'a;

pub(super) fn run(arguments: &DeployArgs, session: &Session) -> Result<()> {
    let hosts = &arguments.hosts;
    let choose = |inventory: &Inventory, _: &dyn Connect, _: &AtomicBool| match hosts.limit.is_empty() {
        true => Ok(None),
        false => Ok(Some(hosts.selected(inventory)?.into_iter().map(|host| host.name.clone()).collect())),
    };
    deploy(&hosts.inventory, &choose, &arguments.options, session)
}

/// Makes nodes of the hosts that are meant.
pub(super) fn deploy(
    inventory: &Path,
    choose: &Choice<'_>,
    options: &DeployOptions,
    session: &Session,
) -> Result<()> {
    let stop = session.interruption().stop();
    let mut inventory = read_inventory(inventory, session)?.inventory;
    if let Some(concurrency) = options.concurrency {
        inventory.cluster.concurrency = usize::from(concurrency);
    }
    let believed = options.trust.clone().check(session.environment());
    let bundle = opened::open(&options.bundle, &believed, session)?;
    let terms = terms::of_machine(options.policy.as_deref(), &believed, &bundle)?;
    let hosts: Vec<&Host> = inventory.hosts.iter().collect();
    let dialer = options.connection.dialer(&hosts, stop.clone(), session)?;
    let limit = choose(&inventory, &dialer, stop)?;
    // From here on every host is asked: whoever is refused before leaves no empty directory.
    let logs = options.record.logs();
    let connect = Logged::new(&dialer, &logs)?;
    let survey = survey(&inventory, &connect, &bundle, &terms, session);
    if stop.load(Ordering::Relaxed) {
        return Err(Error::new(codes::INTERRUPTED, "interrupted; nothing was changed")
            .with_help("run the same command again"));
    }
    let medium = Medium::of(bundle.manifest(), bundle.digest());
    let plan = plan::plan(&inventory, &survey, &medium, &options.despite, limit.as_deref());
    if options.plan {
        session.print(&plan, screen::plan)?;
        return plan.obstacle.as_ref().map_or(Ok(()), |why| Err(why.to_error()));
    }
    if let Some(obstacle) = &plan.obstacle {
        return Err(obstacle.to_error());
    }
    if options.yes || plan.is_empty() || !consent::has_terminal() {
        screen::warnings(&plan).iter().for_each(|warning| session.warn(warning));
        if !plan.is_empty() {
            screen::work_of_hosts(&plan).lines().for_each(|line| session.note(line));
        }
    } else if !agreed(&plan)? {
        session.note("Nothing was changed");
        return Ok(());
    }
    session.interruption().begin();
    let (survey, plan, connect, bundle, terms) = (&survey, &plan, &connect, &bundle, &terms);
    Agreed { inventory: &inventory, survey, plan, connect, bundle, terms, options }.carry_out(&logs, session)
}

/// A deployment that may begin.
struct Agreed<'a> {
    inventory: &'a Inventory,
    survey: &'a Survey,
    plan: &'a ClusterPlan,
    connect: &'a dyn Connect,
    bundle: &'a Bundle<Verified>,
    terms: &'a Terms,
    options: &'a DeployOptions,
}

impl Agreed<'_> {
    fn carry_out(&self, logs: &Path, session: &Session) -> Result<()> {
        let Agreed { inventory, survey, plan, connect, bundle, terms, options } = *self;
        let stop = session.interruption().stop();
        let (ledger, begun) = (Ledger::default(), Timestamp::now());
        Deployment {
            inventory,
            survey,
            plan,
            connect,
            carrier: &ByConnection { bundle, terms, stop },
            terms,
            restart: options.restart,
            batch: usize::from(options.batch),
            progress: session.progress(),
            stop,
            pause: &RealTime,
            ledger: &ledger,
        }
        .run();
        // What is at work on hosts has ended with the connections, and the next run goes on from there.
        let report = ledger.report(plan, begun, stop.load(Ordering::Relaxed));
        let result = |report: Report| report.error().map_or(Ok(()), Err);
        options.record.conclude(report, |report| screen::report(report, logs), result, session)
    }
}

fn survey(
    inventory: &Inventory,
    connect: &dyn Connect,
    bundle: &Bundle<Verified>,
    terms: &Terms,
    session: &Session,
) -> Survey {
    let (manifest, digest) = (bundle.manifest(), bundle.digest());
    let progress = session.progress();
    let stop = session.interruption().stop();
    Surveyor { inventory, connect, manifest, digest, terms, progress, stop, pause: &RealTime }.survey()
}

/// Whether the plan may be carried out.
fn agreed(plan: &ClusterPlan) -> Result<bool> {
    let answer = consent::ask(&format!("{}Go on? [y/N] ", screen::plan(plan)))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Sends the bundle over the connection that there is.
struct ByConnection<'a> {
    bundle: &'a Bundle<Verified>,
    terms: &'a Terms,
    stop: &'a AtomicBool,
}

impl Carrier for ByConnection<'_> {
    fn send(&self, remote: &dyn Remote, progress: &dyn Progress) -> Result<Sent> {
        transfer::send(remote, self.bundle, self.terms, progress, self.stop)
    }
}
