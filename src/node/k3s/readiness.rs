//! Waits until the cluster says that this node is ready.

use std::time::Duration;

use serde_json::Value;

use super::{kubectl, paths};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::settings::K3sRole;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// How long k3s may take to start; it gives up itself after 15 minutes.
pub const START: Duration = Duration::from_secs(15 * 60);

/// How long a node may take from there to `Ready`.
const READY: Duration = Duration::from_secs(5 * 60);

/// How long an answer may take that is only shown.
const GLANCE: Duration = Duration::from_secs(5);

/// The step that waits for the node.
pub struct Ready {
    /// What the node is.
    pub role: K3sRole,
    /// Its name in the cluster.
    pub node: String,
    /// Where k3s keeps its data.
    pub data_directory: String,
}

impl Ready {
    /// What is seen of the node: nothing if it is ready, else why not.
    fn look(&self, machine: &Machine) -> Result<Option<String>> {
        self.ask(machine, self.call())
    }

    /// The same for somebody who does not want to wait for long.
    ///
    /// # Errors
    /// If the machine cannot be looked at.
    pub fn glance(&self, machine: &Machine) -> Result<Option<String>> {
        self.ask(machine, self.call().within(GLANCE))
    }

    fn call(&self) -> Call {
        let arguments = ["get", "node", &self.node, "-o", "json"];
        match self.role {
            K3sRole::Server => kubectl::admin(arguments),
            K3sRole::Agent => kubectl::kubelet(&self.data_directory, arguments),
        }
    }

    fn ask(&self, machine: &Machine, call: Call) -> Result<Option<String>> {
        let kubeconfig = match self.role {
            K3sRole::Server => paths::KUBECONFIG.to_owned(),
            K3sRole::Agent => kubectl::kubelet_config(&self.data_directory),
        };
        if kubectl::is_to_be_left(machine, &kubeconfig)? {
            return Ok(Some(format!("k3s has not written {kubeconfig} yet")));
        }
        let finished = match machine.run(&call) {
            Ok(finished) => finished,
            Err(error) => return Ok(Some(error.to_string())),
        };
        if !finished.is_well() {
            return Ok(Some(kubectl::last_line(&finished)));
        }
        Ok(unready(&finished.output))
    }
}

/// Why a node as `kubectl get node -o json` shows it is not ready.
fn unready(json: &str) -> Option<String> {
    let node: Value = match serde_json::from_str(json) {
        Ok(node) => node,
        Err(error) => return Some(format!("kubectl printed no JSON: {error}")),
    };
    let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    match conditions.iter().find(|condition| condition["type"] == "Ready") {
        Some(ready) if ready["status"] == "True" => None,
        Some(ready) => Some(format!("NotReady: {}", ready["message"].as_str().unwrap_or("no reason given"))),
        None => Some("the node has registered, its kubelet has not reported yet".to_owned()),
    }
}

impl Step for Ready {
    fn name(&self) -> &'static str {
        names::K3S_READY
    }

    fn title(&self) -> String {
        format!("Wait until node {} is ready", self.node)
    }

    fn deadline(&self) -> Duration {
        READY
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let what = format!("node {}", self.node);
        Ok(self
            .look(machine)?
            .map(|why| Change::new(Verb::Wait, what).with_detail(why))
            .into_iter()
            .collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        let what = format!("node {} to be ready", self.node);
        let waited = work.wait_for(&what, READY, || Ok(self.look(machine)?.map_or(Ok(()), Err)));
        let unit = format!("{}.service", self.role.unit());
        waited.map_err(|error| super::start::explain(error, machine, &unit))?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_ready_when_its_condition_says_so() {
        let node = |status: &str| {
            format!(
                r#"{{"status": {{"conditions": [{{"type": "MemoryPressure", "status": "False"}},
                {{"type": "Ready", "status": "{status}", "message": "cni plugin not initialized"}}]}}}}"#
            )
        };
        assert_eq!(unready(&node("True")), None);
        assert_eq!(unready(&node("False")).unwrap(), "NotReady: cni plugin not initialized");
        assert!(unready("{}").unwrap().contains("not reported"));
        assert!(unready("<html>").unwrap().contains("no JSON"));
    }
}
