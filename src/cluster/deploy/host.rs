//! One host becomes what it should.

use super::told::Told;
use super::{Cluster, Deployment, is_member};
use crate::cluster::fleet;
use crate::cluster::hearsay::{self, OnHost};
use crate::cluster::installation::{Installation, Restarts};
use crate::cluster::order::{self, Source};
use crate::cluster::plan::{HostPlan, Phase};
use crate::cluster::remote::{Answer, Remote};
use crate::cluster::survey::conduct;
use crate::error::Result;
use crate::node::settings::Settings;
use crate::progress::Event;
use crate::secret::Secret;

/// What a host is to become.
struct Goal<'a> {
    host: &'a str,
    settings: &'a Settings,
    source: &'a Source,
    /// With what it joins; nothing if it needs none.
    token: Option<&'a Secret<String>>,
}

impl Deployment<'_> {
    /// Installs it, with everything that belongs to it.
    pub(super) fn install(&self, plan: &HostPlan, cluster: &Cluster) -> Result<()> {
        let host = plan.host.as_str();
        fleet::go_on(self.stop)?;
        self.progress.event(Event::HostStarted { host, what: "installing" });
        self.ledger.begin(host);
        let settings = plan.settings.as_ref().ok_or_else(|| super::not_planned(host))?;
        let source = conduct::source(self.inventory, &cluster.wanted, host, &self.authorities(cluster));
        let remote = self.remote(host)?;
        if plan.receives_bundle {
            let sent = self.carrier.send(&*remote, &OnHost { host, progress: self.progress })?;
            self.ledger.sent(host, sent.bytes);
        }
        let gives_token = is_member(plan) && (plan.phase != Phase::First || self.plan.founds);
        let token = cluster.token.as_ref().filter(|_| gives_token);
        let steps = self.install_to_the_end(&Goal { host, settings, source: &source, token })?;
        let what = match steps {
            0 => "as it should be".to_owned(),
            1 => "installed, 1 step".to_owned(),
            many => format!("installed, {many} steps"),
        };
        self.progress.event(Event::HostFinished { host, what: &what });
        self.ledger.installed(host, source.authorities);
        Ok(())
    }

    /// How many steps have changed something.
    fn install_to_the_end(&self, goal: &Goal<'_>) -> Result<usize> {
        let connect = || self.remote(goal.host);
        let restarts = if self.restart { Restarts::AtOnce } else { Restarts::No };
        let host = self.inventory.host(goal.host).ok_or_else(|| super::not_planned(goal.host))?;
        let restarts = restarts.of(host);
        let (pause, stop, progress) = (self.pause, self.stop, self.progress);
        let installation =
            Installation { host: goal.host, connect: &connect, restarts, pause, stop, progress };
        let mut steps = 0;
        installation.run(&|remote| self.order(goal, remote), &mut |changed| {
            steps += changed.len();
            self.ledger.changed(goal.host, changed);
        })?;
        Ok(steps)
    }

    /// Runs the installation on the host. The token goes over its standard input.
    fn order(&self, goal: &Goal<'_>, remote: &dyn Remote) -> Result<Answer> {
        let mut command = order::install(goal.settings, goal.source, self.terms)?;
        let mut input = goal.token.map(|token| token.reveal().as_bytes()).unwrap_or_default();
        if goal.token.is_some() {
            command.request.arguments.extend(["--token-file".to_owned(), "-".to_owned()]);
            command = command.with_input(&mut input);
        }
        let told = Told { findings: &self.plan.findings, progress: self.progress };
        remote.run(command, &mut |line| hearsay::tell(goal.host, line, &told))
    }
}
