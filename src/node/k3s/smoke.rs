//! The smoke test of a server: a pod is scheduled, its image pulled from our registry, its container run.
//!
//! That it went well is written at the node in the cluster, so that a second run sees it in the world and has
//! nothing to do; another bundle is another test.

use std::time::Duration;

use serde_json::{Value, json};

use super::{kubectl, paths};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Finished, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::oci::digest::Digest;

/// Where the pod runs.
const NAMESPACE: &str = "kube-system";

/// The annotation of the node.
const ANNOTATION: &str = "airlock/smoke-test";

/// How long the pod may take to run, its image included.
const RUNNING: Duration = Duration::from_secs(180);

/// The step that runs the pod.
pub struct SmokeTest {
    /// Name of the node.
    pub node: String,
    /// The image of the pod: one that every bundle with k3s has, and that needs nothing to run.
    pub image: String,
    /// The bundle that is tested.
    pub bundle: Digest,
}

impl SmokeTest {
    fn pod(&self) -> String {
        format!("airlock-smoke-test-{}", &self.bundle.hex()[..8])
    }

    fn manifest(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.pod(), "namespace": NAMESPACE, "labels": {"app": "airlock-smoke-test"}},
            "spec": {
                "nodeName": self.node,
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 0,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "pause", "image": self.image, "imagePullPolicy": "Always"}],
            },
        })
    }

    /// What the pod is seen to do: nothing if it runs, else why not.
    fn look(&self, machine: &Machine) -> Result<Option<String>> {
        let call = kubectl::admin(["get", "pod", &self.pod(), "-n", NAMESPACE, "-o", "json"]);
        let finished = machine.run(&call)?;
        if !finished.is_well() {
            return Ok(Some(kubectl::last_line(&finished)));
        }
        Ok(not_running(&finished.output))
    }

    /// The last warning about the pod: the kubelet says there why it does not start, and in the pod only that it waits.
    fn last_warning(&self, machine: &Machine) -> Option<String> {
        let about = format!("involvedObject.name={},type=Warning", self.pod());
        let call =
            kubectl::admin(["get", "events", "-n", NAMESPACE, "--field-selector", &about, "-o", "json"]);
        last_message(&machine.run(&call).ok().filter(Finished::is_well)?.output)
    }

    fn remove_pod(&self, work: &Work<'_>) -> Result<()> {
        let pod = self.pod();
        work.run(kubectl::admin([
            "delete",
            "pod",
            &pod,
            "-n",
            NAMESPACE,
            "--ignore-not-found",
            "--wait=false",
        ]))?;
        Ok(())
    }
}

/// No pod is taken before there is the account under which it runs: in a new cluster a controller makes it, some
/// seconds after the node is ready.
fn wait_for_account(work: &Work<'_>) -> Result<()> {
    let machine = work.machine();
    let account = ["get", "serviceaccounts", "default", "-n", NAMESPACE, "-o", "name"];
    work.wait_for("the account of pods", RUNNING, || {
        let finished = machine.run(&kubectl::admin(account))?;
        Ok(if finished.is_well() { Ok(()) } else { Err(kubectl::last_line(&finished)) })
    })
}

/// Why a pod as `kubectl get pod -o json` shows it does not run.
fn not_running(json: &str) -> Option<String> {
    let pod: Value = serde_json::from_str(json).unwrap_or_default();
    let status = &pod["status"];
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    if phase == "Running" {
        return None;
    }
    let waiting = &status["containerStatuses"][0]["state"]["waiting"];
    let words = [waiting["reason"].as_str(), waiting["message"].as_str(), status["message"].as_str()];
    Some(words.iter().flatten().fold(phase.to_owned(), |text, word| format!("{text}, {word}")))
}

/// The message of the event that was seen last (core/v1, `EventList`); the API lists them by name.
fn last_message(json: &str) -> Option<String> {
    let list: Value = serde_json::from_str(json).ok()?;
    let time = |event: &&Value| {
        let times = [&event["lastTimestamp"], &event["eventTime"]];
        times.iter().find_map(|time| time.as_str()).unwrap_or_default().to_owned()
    };
    let last = list["items"].as_array()?.iter().max_by_key(time)?;
    last["message"].as_str().map(str::to_owned)
}

impl Step for SmokeTest {
    fn name(&self) -> &'static str {
        names::K3S_SMOKE_TEST
    }

    fn title(&self) -> String {
        format!("Run a pod on node {}", self.node)
    }

    fn deadline(&self) -> Duration {
        RUNNING * 2 + Duration::from_secs(60)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let path = format!("jsonpath={{.metadata.annotations.{ANNOTATION}}}");
        let call = kubectl::admin(["get", "node", &self.node, "-o", &path]);
        let is_tested = !kubectl::is_to_be_left(machine, paths::KUBECONFIG)?
            && machine.run(&call).is_ok_and(|finished| finished.output.trim() == self.bundle.hex());
        let change = || Change::new(Verb::Run, "a pod").with_detail(self.image.as_str());
        Ok((!is_tested).then(change).into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        self.remove_pod(work)?;
        wait_for_account(work)?;
        work.run(kubectl::admin(["create", "-f", "-"]).input(self.manifest().to_string()))?;
        let what = format!("a pod with {} to run", self.image);
        let waited = work.wait_for(&what, RUNNING, || Ok(self.look(machine)?.map_or(Ok(()), Err)));
        let warning = waited.is_err().then(|| self.last_warning(machine)).flatten();
        // The pod has told what there is to tell.
        let removed = self.remove_pod(work);
        waited.map_err(|error| {
            let message = format!("node {} is ready, but a pod does not run on it", self.node);
            let failed = Error::new(codes::K3S_POD, message)
                .with_help("`kubectl -n kube-system get events` says more; then run the same command again");
            let details = error.details().iter().cloned().chain(warning);
            details.fold(failed, Error::with_detail)
        })?;
        removed?;
        let annotation = format!("{ANNOTATION}={}", self.bundle.hex());
        work.run(kubectl::admin(["annotate", "node", &self.node, "--overwrite", &annotation]))?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_waits_says_for_what() {
        let pod = json!({"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting":
            {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]}});
        assert_eq!(
            not_running(&pod.to_string()).unwrap(),
            "Pending, ImagePullBackOff, Back-off pulling image"
        );
        assert_eq!(not_running(r#"{"status": {"phase": "Running"}}"#), None);
        assert_eq!(not_running("").unwrap(), "Unknown");
    }

    #[test]
    fn the_last_warning_says_why_a_pod_does_not_start() {
        let events = json!({"items": [
            {"lastTimestamp": "2026-11-22T04:24:05Z", "message": "failed to pull image"},
            {"lastTimestamp": null, "eventTime": "2026-11-22T04:23:05.000001Z", "message": "no network"},
            {"lastTimestamp": "2026-11-22T04:22:05Z", "message": "no subnet"}
        ]});
        assert_eq!(last_message(&events.to_string()).unwrap(), "failed to pull image");
        assert_eq!(last_message(r#"{"items": []}"#), None);
        assert_eq!(last_message("error: something"), None);
    }

    #[test]
    fn the_pod_is_bound_to_the_node_and_has_no_rights() {
        let test = SmokeTest {
            node: "gpu1".to_owned(),
            image: "docker.io/rancher/mirrored-pause:3.10.2".to_owned(),
            bundle: Digest::of(b"bundle"),
        };
        let pod = test.manifest();
        assert_eq!(pod["spec"]["nodeName"], "gpu1");
        assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
        assert_eq!(
            pod["spec"]["containers"][0]["imagePullPolicy"], "Always",
            "it must come from the registry"
        );
    }
}
