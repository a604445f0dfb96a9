//! Starts k3s and waits until it says that it is up, with what keeps it in words.

use std::time::Duration;

use super::failure::{self, Failure};
use super::{paths, readiness};
use crate::error::{Error, Result, codes};
use crate::node::change::Change;
use crate::node::machine::{Call, Machine};
use crate::node::resource::{Resource, Service};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How much of the log is looked through for known messages.
const LINES: &str = "300";

/// The step that starts k3s.
pub struct Start {
    /// Its service.
    pub service: Service,
    /// Where it keeps its data.
    pub data_directory: String,
}

/// What k3s, its kubelet and its network plugins make while they run, besides the data directory.
const TREES: [&str; 9] = [
    paths::KUBECONFIG,
    "/etc/rancher/node",
    "/run/k3s",
    "/run/flannel",
    "/var/lib/kubelet",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/log/pods",
    "/var/log/containers",
];

impl Step for Start {
    fn name(&self) -> &'static str {
        names::K3S_SERVICE
    }

    fn title(&self) -> String {
        format!("Start {}", self.service.name.trim_end_matches(".service"))
    }

    fn deadline(&self) -> Duration {
        readiness::START + Duration::from_secs(60)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        Ok(self.service.check(machine)?.into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for path in TREES.into_iter().chain([self.data_directory.as_str()]) {
            work.own_tree(path)?;
        }
        let started = self.service.make(work);
        started.map_err(|error| explain(error, work.machine(), &self.service.name))?;
        Ok(Outcome::Done)
    }
}

/// Puts the failure that the log tells of before everything else.
pub fn explain(error: Error, machine: &Machine, unit: &str) -> Error {
    if !matches!(error.code(), codes::NODE_SERVICE | codes::NODE_DEADLINE) {
        return error;
    }
    let call = Call::new("journalctl").with(["--no-pager", "--output=cat", "--lines", LINES, "--unit", unit]);
    let Ok(log) = machine.run(&call) else { return error };
    match failure::find(&log.output) {
        Some(Failure { cause, fix, .. }) => {
            let explained =
                Error::new(codes::K3S_FAILED, format!("k3s does not start: {cause}")).with_help(*fix);
            error.details().iter().fold(explained, |explained, detail| explained.with_detail(detail))
        }
        None => error,
    }
}
