//! `airlock cluster upgrade`: a newer bundle on all nodes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::change::{ChangeOptions, SiteOptions, begins, shown_report};
use super::connect::with_logs;
use super::record::RecordOptions;
use super::terms;
use crate::bundle::manifest::Artifact;
use crate::bundle::{Bundle, Verified};
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::session::Session;
use crate::cluster::inventory::{BATCH, Host, Role};
use crate::cluster::operation::execute::{Deliver, Means, Report, execute};
use crate::cluster::operation::node;
use crate::cluster::operation::site::Site;
use crate::cluster::operation::upgrade::{self, Observed, Target};
use crate::cluster::order::Terms;
use crate::cluster::remote::Remote;
use crate::cluster::transfer;
use crate::error::{Error, Result, codes};
use crate::node::settings::Settings;
use crate::progress::Progress;
use crate::ui::text::escape;

/// Bring all nodes to a newer bundle
///
/// A snapshot of etcd comes first. The bundle is sent once, to the first server, which goes first; if it does not come up
/// well, it goes back to the bundle that it had, and nothing else was touched. Then come the other servers one after the
/// other, each ready and voting before the next, then the agents. One minor version of Kubernetes at a time. Containers
/// run on. If it stops somewhere, run it again: it goes on there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct UpgradeArgs {
    /// The bundle: its directory or one of its volumes
    #[arg(long, short, value_name = "MEDIUM")]
    pub bundle: PathBuf,

    /// Let the nodes trust the signer with this fingerprint from now on
    #[arg(long, value_name = "SHA256:…", conflicts_with_all = ["allowed_signers", "signatures"])]
    pub trust: Option<String>,

    /// Restart nodes that need it, such as for a driver, one at a time, and wait until they are back
    #[arg(long)]
    pub restart: bool,

    /// Agents that are brought to it before the next ones begin
    #[arg(long, value_name = "N", default_value_t = BATCH as u16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub batch: u16,

    /// What is kept of it.
    #[command(flatten)]
    pub record: RecordOptions,

    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,

    /// Options of the change.
    #[command(flatten)]
    pub change: ChangeOptions,

    /// Options of trust.
    #[command(flatten)]
    pub policy: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock cluster upgrade --bundle /media/stick --plan
  airlock cluster upgrade --bundle /media/stick --restart --report report.json";

/// Sends a bundle to the first server.
struct Sending<'a> {
    bundle: &'a Bundle<Verified>,
    terms: &'a Terms,
    site: &'a Site<'a>,
}

impl Deliver for Sending<'_> {
    fn deliver(&self, remote: &dyn Remote, progress: &dyn Progress) -> Result<()> {
        transfer::send(remote, self.bundle, self.terms, progress, self.site.stop()).map(drop)
    }
}

pub(super) fn run(arguments: &UpgradeArgs, session: &Session) -> Result<()> {
    let signers = arguments.policy.clone().check(session.environment());
    let bundle = Bundle::open(&arguments.bundle)?;
    let bundle = bundle.verify(&signers.policy()?).map_err(|error| signers.explain(error))?;
    bundle.check_lengths()?;
    let terms = terms::of_options(arguments.trust.as_deref(), &arguments.policy, &signers, &bundle)?;
    let target = target(&bundle, terms, arguments)?;
    let logs = arguments.record.logs();
    with_logs(&arguments.file, &logs, session, |site| {
        let nodes = site.nodes()?;
        let hosts: Vec<&Host> =
            site.inventory.hosts.iter().filter(|host| host.role != Role::Balancer).collect();
        let answers = node::each_named(site, &hosts, node::status);
        let settings = node::each_named(site, &hosts, node::settings);
        let kept: BTreeMap<String, Settings> =
            settings.into_iter().filter_map(|(name, kept)| Some((name, kept.ok()??))).collect();
        let observed = Observed { inventory: site.inventory, nodes: &nodes, hosts: &answers, kept: &kept };
        let plan = upgrade::plan(&observed, &target)?;
        if !begins(&plan, (&arguments.change, None), session)? {
            return Ok(());
        }
        let sending = Sending { bundle: &bundle, terms: &target.terms, site };
        let means = Means { deliver: Some(&sending), restart: arguments.restart };
        let report = execute(&plan, site, means, session.progress());
        arguments.record.conclude(report, |report| shown(report, &logs), Report::into_result, session)
    })
}

fn shown(report: &Report, logs: &Path) -> String {
    format!("{}The logs of the hosts are in {}\n", shown_report(report), escape(&logs.to_string_lossy()))
}

fn target(bundle: &Bundle<Verified>, terms: Terms, arguments: &UpgradeArgs) -> Result<Target> {
    let manifest = bundle.manifest();
    let k3s = manifest.artifacts.iter().find_map(|artifact| match artifact {
        Artifact::K3s(k3s) => Some(k3s.version.clone()),
        _ => None,
    });
    let k3s = k3s.ok_or_else(|| {
        Error::new(codes::UPGRADE_PATH, "the bundle has no k3s")
            .with_help("build it with `k3s` in bundle.yaml")
    })?;
    Ok(Target {
        name: format!("{}-{}", manifest.name, manifest.version),
        manifest: bundle.digest().to_string(),
        k3s,
        terms,
        batch: usize::from(arguments.batch),
    })
}
