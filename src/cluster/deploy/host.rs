//! One host becomes what it should.

use std::time::Duration;

use serde::Deserialize;

use super::told::Told;
use super::{Cluster, Deployment, is_member};
use crate::cluster::hearsay;
use crate::cluster::order::{self, Source};
use crate::cluster::plan::{HostPlan, Phase};
use crate::cluster::remote::{Answer, Remote};
use crate::cluster::survey::{conduct, look};
use crate::error::{Error, Result, codes};
use crate::node::settings::Settings;
use crate::progress::{Event, Progress};
use crate::secret::Secret;

/// How long to wait for another command on the host, such as the one that goes on after a restart.
const BUSY: Duration = Duration::from_secs(60 * 60);
/// How often that is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// More restarts than steps that need one: a host that wants another one will never have enough.
const RESTARTS: usize = 3;

/// How an installation ended, as `airlock install --json` tells it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Installed {
    /// Steps that have changed something.
    pub(super) changed: Vec<String>,
    /// The step that needs a restart, if one does.
    pub(super) reboot_for: Option<String>,
}

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
        self.stopped()?;
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
        let steps = self.install_through(&Goal { host, settings, source: &source, token })?;
        let what = match steps {
            0 => "as it should be".to_owned(),
            1 => "installed, 1 step".to_owned(),
            many => format!("installed, {many} steps"),
        };
        self.progress.event(Event::HostFinished { host, what: &what });
        self.ledger.installed(host, source.authorities);
        Ok(())
    }

    /// Through restarts, if there may be any; how many steps have changed something.
    fn install_through(&self, goal: &Goal<'_>) -> Result<usize> {
        let (mut steps, mut restarts) = (0, 0);
        loop {
            let remote = self.remote(goal.host)?;
            let installed = self.install_once(goal, &*remote)?;
            steps += installed.changed.len();
            self.ledger.changed(goal.host, installed.changed);
            let Some(step) = installed.reboot_for else { return Ok(steps) };
            if !self.restart {
                return Err(restart_needed(goal.host, &step));
            }
            if restarts == RESTARTS {
                return Err(restarted_in_vain(goal.host, &step));
            }
            restarts += 1;
            self.restart(goal.host, &*remote)?;
        }
    }

    fn install_once(&self, goal: &Goal<'_>, remote: &dyn Remote) -> Result<Installed> {
        let until = self.pause.now() + BUSY;
        loop {
            let answer = self.order(goal, remote)?;
            let is_busy = answer.status != 0 && answer.error().code() == codes::NODE_BUSY;
            if !is_busy || self.pause.now() >= until || self.stopped().is_err() {
                return answer.success()?.json();
            }
            self.tell(goal.host, "busy", "Wait for the end of another command");
            self.pause.wait(INTERVAL);
            while look::status(remote)?.running.is_some()
                && self.pause.now() < until
                && self.stopped().is_ok()
            {
                self.pause.wait(INTERVAL);
            }
        }
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

/// Tells what happens as something that happens on a host.
struct OnHost<'a> {
    host: &'a str,
    progress: &'a dyn Progress,
}

impl Progress for OnHost<'_> {
    fn event(&self, event: Event<'_>) {
        self.progress.event(Event::OnHost { host: self.host, event: &event });
    }
}

fn restarted_in_vain(host: &str, step: &str) -> Error {
    let message = format!("{host} was restarted {RESTARTS} times, and wants to be again (step {step})");
    Error::new(codes::HOST_RESTART, message).with_help(format!(
        "see on {host} what the step says, `sudo airlock node status`, and at its console what keeps it"
    ))
}

fn restart_needed(host: &str, step: &str) -> Error {
    Error::new(codes::HOST_RESTART, format!("{host} has to be restarted (step {step}); afterwards it continues by itself"))
        .with_help(format!(
            "restart it, `sudo reboot` on {host}, then run the same command again; with `--restart` that is done for you"
        ))
}
