//! Lets every server know the registries of all: those that were there first do not know those that came later.

use super::{Cluster, Deployment};
use crate::cluster::plan::{HostPlan, Phase};
use crate::progress::Event;

impl Deployment<'_> {
    /// Tells servers what they could not know when they were installed. One that cannot be told works all the same.
    pub(super) fn settle(&self, cluster: &Cluster) {
        let authorities = self.authorities(cluster);
        let is_new =
            |host: &&HostPlan| host.phase == Phase::Server && self.ledger.authorities(&host.host).is_some();
        if !self.plan.hosts.iter().any(|host| is_new(&host)) {
            return;
        }
        let servers =
            self.plan.hosts.iter().filter(|host| matches!(host.phase, Phase::First | Phase::Server));
        for server in servers.filter(|host| self.ledger.is_well(&host.host)) {
            if self.ledger.authorities(&server.host) == Some(authorities.for_host(&server.host))
                || self.is_stopped()
            {
                continue;
            }
            if let Err(error) = self.settle_one(server, cluster) {
                self.fail(&server.host, &error);
                return;
            }
        }
    }

    fn settle_one(&self, server: &HostPlan, cluster: &Cluster) -> crate::error::Result<()> {
        let entry = self.remote(&self.plan.entry)?;
        self.gate_before(&*entry, &server.host)?;
        let again = HostPlan { receives_bundle: false, ..server.clone() };
        self.progress.event(Event::Note { text: &format!("{} gets to know the other servers", server.host) });
        self.install(&again, cluster)?;
        self.gate(&*entry, &server.host)
    }
}
