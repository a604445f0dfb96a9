//! Carries out the plan of a deployment: the bundle once, to the first server; then servers one at a time, each only
//! when the datastore is well; everybody else side by side.
//!
//! A host that fails or goes away does not stop the others; only no further server is let in after one has failed.
//! Whatever is done is done by commands that may be run again, so the same deployment goes on from where it stopped.
//!
//! Two deployments at once do no harm: a host that one of them changes is locked ([`crate::node::lock`]), which the
//! survey of the other one tells; both go through the servers in the same order and wait for the same health.

mod gate;
mod host;
mod settle;
mod told;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::fleet;
use super::inventory::{Host, Inventory, Role as InventoryRole};
use super::order::Terms;
pub use super::pause::{Pause, RealTime};
use super::plan::{ClusterPlan, HostPlan, Phase, Work, waits_for};
use super::remote::{Connect, Remote};
use super::report::Ledger;
use super::survey::Survey;
use super::survey::conduct::{Authorities, invitation};
use super::transfer::Sent;
use super::trouble::Trouble;
use super::wanted::Wanted;
use crate::error::{Error, Result, codes};
use crate::node::invitation::Invitation;
use crate::node::settings::Role;
use crate::progress::{Event, Progress};
use crate::secret::Secret;

/// Brings the bundle to a host.
pub trait Carrier: Sync {
    /// Sends what the host lacks of it.
    ///
    /// # Errors
    /// Those of [`super::transfer::send`].
    fn send(&self, remote: &dyn Remote, progress: &dyn Progress) -> Result<Sent>;
}

/// A deployment on its way.
pub struct Deployment<'a> {
    /// The hosts.
    pub inventory: &'a Inventory,
    /// What is known of them.
    pub survey: &'a Survey,
    /// What is to be done.
    pub plan: &'a ClusterPlan,
    /// The way to the hosts.
    pub connect: &'a dyn Connect,
    /// Brings the bundle.
    pub carrier: &'a dyn Carrier,
    /// What holds for every installation.
    pub terms: &'a Terms,
    /// Whether a host is restarted that has to be.
    pub restart: bool,
    /// Agents that join before the next ones begin.
    pub batch: usize,
    /// Told as it goes on.
    pub progress: &'a dyn Progress,
    /// Set when nothing more should be begun.
    pub stop: &'a AtomicBool,
    /// Lets time pass.
    pub pause: &'a dyn Pause,
    /// What came of it, host by host.
    pub ledger: &'a Ledger,
}

/// What those that join a cluster need. It is kept in memory alone.
struct Cluster {
    wanted: Wanted,
    token: Option<Secret<String>>,
    /// What servers have told about their registries.
    invitations: Mutex<BTreeMap<String, Invitation>>,
}

impl Deployment<'_> {
    /// Does it all. What came of it is in the ledger.
    pub fn run(&self) {
        self.note_others();
        // Without it all others are left out as well, which the plan says.
        let first = self.plan.hosts.first().filter(|first| !matches!(first.work, Work::LeaveOut { .. }));
        let Some(first) = first else { return };
        let wanted = Wanted::of(self.inventory, &self.survey.looks);
        let mut cluster = Cluster { wanted, token: None, invitations: Mutex::default() };
        if !self.plan.is_empty() {
            self.introduce_members(&cluster);
        }
        if let Err(error) = self.first(first, &mut cluster) {
            self.fail(&first.host, &error);
            if self.is_stopped() {
                return;
            }
            let waiting = self.plan.hosts.iter().skip(1).filter(|host| host.work.is_due());
            waiting.for_each(|host| self.leave_out(&host.host, waits_for(&first.host)));
            return;
        }
        self.side_by_side(Phase::Balancer, &cluster);
        self.servers(&cluster);
        self.settle(&cluster);
        self.side_by_side(Phase::Agent, &cluster);
    }

    /// Hosts on which nothing is done.
    fn note_others(&self) {
        for host in &self.plan.hosts {
            match &host.work {
                Work::Nothing => self.ledger.unchanged(&host.host),
                Work::LeaveOut { why } => self.leave_out(&host.host, why.clone()),
                Work::Install | Work::Continue | Work::Change { .. } => {}
            }
        }
    }

    fn first(&self, first: &HostPlan, cluster: &mut Cluster) -> Result<()> {
        let remote = self.remote(&first.host)?;
        if first.work.is_due() {
            if self.plan.founds {
                cluster.token = self.inventory.cluster.token.clone();
            }
            self.install(first, cluster)?;
            self.gate(&*remote, &first.host)?;
        }
        // Alone it needs nobody to join it.
        if self.plan.hosts.iter().skip(1).any(|host| host.work.is_due()) {
            self.introduce(&first.host, cluster)?;
            let told = cluster.invitations.lock().unwrap_or_else(PoisonError::into_inner);
            cluster.token = told.get(&first.host).map(|invitation| Secret::new(invitation.token.clone()));
        }
        Ok(())
    }

    /// The servers, one after the other; none after one that has failed.
    fn servers(&self, cluster: &Cluster) {
        let mut failed: Option<&str> = None;
        for server in self.plan.hosts.iter().filter(|host| host.phase == Phase::Server) {
            if !server.work.is_due() {
                continue;
            }
            if self.is_stopped() {
                return;
            }
            if let Some(failed) = failed {
                self.leave_out(&server.host, after(failed));
                continue;
            }
            if let Err(error) = self.server(server, cluster) {
                self.fail(&server.host, &error);
                failed = Some(&server.host);
            }
        }
    }

    fn server(&self, server: &HostPlan, cluster: &Cluster) -> Result<()> {
        let entry = self.remote(&self.plan.entry)?;
        self.gate_before(&*entry, &server.host)?;
        self.install(server, cluster)?;
        self.gate(&*entry, &server.host)?;
        self.introduce(&server.host, cluster)
    }

    /// Hosts that need nobody but the servers.
    fn side_by_side(&self, phase: Phase, cluster: &Cluster) {
        let hosts: Vec<&Host> = self
            .plan
            .hosts
            .iter()
            .filter(|host| host.phase == phase && host.work.is_due())
            .filter_map(|host| self.inventory.host(&host.host))
            .collect();
        for batch in hosts.chunks(self.batch.max(1)) {
            let outcomes = fleet::each(batch, self.inventory.cluster.concurrency, self.stop, |host| {
                let plan = self.plan.host(&host.name).ok_or_else(|| not_planned(&host.name))?;
                self.install(plan, cluster)
            });
            outcomes.split().1.iter().for_each(|(host, error)| self.fail(&host.name, error));
        }
    }

    /// Servers that are members already have registries that all others are to know, also those that are not meant this
    /// time. Who does not tell is asked by the others in vain.
    fn introduce_members(&self, cluster: &Cluster) {
        let is_member = |host: &&Host| {
            let look = self.survey.look(&host.name);
            host.role == InventoryRole::Server && look.is_some_and(|look| look.status.is_member())
        };
        let members: Vec<&Host> = self.inventory.hosts.iter().filter(is_member).collect();
        let concurrency = self.inventory.cluster.concurrency;
        fleet::each(&members, concurrency, self.stop, |host| self.introduce(&host.name, cluster));
    }

    /// Keeps what a server tells those that are to join.
    fn introduce(&self, host: &str, cluster: &Cluster) -> Result<()> {
        let told = invitation(&*self.remote(host)?)?;
        cluster.invitations.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), told);
        Ok(())
    }

    fn authorities(&self, cluster: &Cluster) -> Authorities {
        let told = cluster.invitations.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.iter().map(|(host, told)| (host.as_str(), told)).collect();
        Authorities::of(&cluster.wanted, self.inventory, &told)
    }

    fn remote(&self, host: &str) -> Result<std::sync::Arc<dyn Remote>> {
        let host = self.inventory.host(host).ok_or_else(|| not_planned(host))?;
        self.connect.connect(host)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn fail(&self, host: &str, error: &Error) {
        // What is broken off stays in the ledger as it is there: at work, or not begun.
        if error.code() == codes::INTERRUPTED && self.is_stopped() {
            return;
        }
        self.progress.event(Event::HostFailed { host, error });
        self.ledger.failed(host, Trouble::from(error));
    }

    fn leave_out(&self, host: &str, why: Trouble) {
        self.progress.event(Event::HostFailed { host, error: &why.to_error() });
        self.ledger.left_out(host, why);
    }
}

/// Whether a node takes part in what its servers know: balancers do not.
fn is_member(host: &HostPlan) -> bool {
    host.settings.as_ref().is_some_and(|settings| settings.role != Role::Balancer)
}

fn after(failed: &str) -> Trouble {
    Trouble {
        code: codes::HOST_WAITS.to_string(),
        message: format!("no further server is let in after {failed} has failed"),
        details: Vec::new(),
        help: Some(format!("put right what is told about {failed}, then run the same command again")),
    }
}

fn not_planned(host: &str) -> Error {
    Error::new(codes::INTERNAL, format!("{host} is in the plan, and not in the inventory"))
}

#[cfg(test)]
pub(crate) mod tests;
