//! The pods of one node: their images are pulled, and they count as running. No container is started.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::Result;
use super::images::Images;
use super::kubernetes::Place;
use super::settings::Settings;
use super::supervisor_client::Supervisor;

/// The image under every pod, unless `--pause-image` names another.
const PAUSE: &str = "rancher/mirrored-pause:3.6";
/// How long the kubelet waits after the first failure.
const BACK_OFF: Duration = Duration::from_secs(10);

/// Looks after the pods of a node.
pub struct Pods {
    node: String,
    pause: String,
    images: Images,
    /// When a pod that could not get its images is tried again.
    waiting: HashMap<String, Instant>,
}

impl Pods {
    /// Those of the node with these settings.
    pub fn of_node(settings: &Settings) -> Result<Pods> {
        let pause = settings.last("pause-image").unwrap_or(PAUSE).to_owned();
        let images = Images::of_node(settings)?;
        Ok(Pods { node: settings.node_name.clone(), pause, images, waiting: HashMap::new() })
    }

    /// Does what is to be done for every pod of the node.
    pub async fn synchronise(&mut self, supervisor: &Supervisor) -> Result<()> {
        let listed = supervisor.call(Method::GET, "/api/v1/pods", None).await?.unwrap_or_default();
        for pod in listed["items"].as_array().into_iter().flatten() {
            let is_settled =
                matches!(pod["status"]["phase"].as_str(), Some("Running" | "Succeeded" | "Failed"));
            if pod["spec"]["nodeName"] == self.node.as_str() && !is_settled {
                self.advance(pod, supervisor).await?;
            }
        }
        Ok(())
    }

    async fn advance(&mut self, pod: &Value, supervisor: &Supervisor) -> Result<()> {
        let Some(place) =
            Place::of_manifest(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"]}))
        else {
            return Ok(());
        };
        let path = place.path();
        if self.waiting.get(&path).is_some_and(|until| Instant::now() < *until) {
            return back_off(pod, &path, supervisor).await;
        }
        let status = match self.start(pod).await {
            Ok(statuses) => running(pod, statuses),
            Err(failure) => {
                self.waiting.insert(path.clone(), Instant::now() + BACK_OFF);
                failure.status(pod)
            }
        };
        supervisor.call(Method::PATCH, &path, Some(&json!({"status": status}))).await.map(drop)
    }

    async fn start(&self, pod: &Value) -> std::result::Result<Vec<Value>, Failure> {
        if let Err(error) = self.images.ensure(&self.pause).await {
            return Err(Failure::sandbox(&self.pause, &error.to_string()));
        }
        let mut statuses = Vec::new();
        for container in containers(pod) {
            let image = container["image"].as_str().unwrap_or_default();
            let pulled = match container["imagePullPolicy"].as_str() {
                Some("Always") => self.images.pull(image).await,
                _ => self.images.ensure(image).await,
            };
            let found = pulled.map_err(|error| Failure::image(image, &error.to_string()))?;
            statuses.push(
                json!({"name": container["name"], "image": image, "imageID": found.digest, "ready": true,
                "restartCount": 0, "state": {"running": {}}}),
            );
        }
        Ok(statuses)
    }
}

/// Why the containers of a pod do not start, as the kubelet says it.
struct Failure {
    reason: &'static str,
    image: String,
    message: String,
}

impl Failure {
    fn image(image: &str, error: &str) -> Failure {
        let code = if error.ends_with(": not found") { "NotFound" } else { "Unknown" };
        let message = format!("Failed to pull image \"{image}\": rpc error: code = {code} desc = {error}");
        Failure { reason: "ErrImagePull", image: image.to_owned(), message }
    }

    fn sandbox(pause: &str, error: &str) -> Failure {
        let message = format!(
            "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image \"{pause}\": \
             failed to pull image \"{pause}\": {error}"
        );
        Failure { reason: "ContainerCreating", image: pause.to_owned(), message }
    }

    fn status(&self, pod: &Value) -> Value {
        let waiting = json!({"waiting": {"reason": self.reason, "message": self.message}});
        let creating = json!({"waiting": {"reason": "ContainerCreating"}});
        let statuses: Vec<Value> = containers(pod)
            .map(|container| {
                let is_cause = self.reason == "ContainerCreating" || container["image"] == self.image.as_str();
                let state = if is_cause { &waiting } else { &creating };
                json!({"name": container["name"], "image": container["image"], "ready": false, "state": state})
            })
            .collect();
        json!({"phase": "Pending", "containerStatuses": statuses})
    }
}

/// After `ErrImagePull` the kubelet says that it waits.
async fn back_off(pod: &Value, path: &str, supervisor: &Supervisor) -> Result<()> {
    let mut statuses = pod["status"]["containerStatuses"].clone();
    let mut has_changed = false;
    for status in statuses.as_array_mut().into_iter().flatten() {
        if status["state"]["waiting"]["reason"] == "ErrImagePull" {
            let image = status["image"].as_str().unwrap_or_default();
            let cause = status["state"]["waiting"]["message"].as_str().unwrap_or_default();
            let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {cause}");
            status["state"] = json!({"waiting": {"reason": "ImagePullBackOff", "message": message}});
            has_changed = true;
        }
    }
    if has_changed {
        supervisor
            .call(Method::PATCH, path, Some(&json!({"status": {"containerStatuses": statuses}})))
            .await?;
    }
    Ok(())
}

fn running(pod: &Value, statuses: Vec<Value>) -> Value {
    let may_end = matches!(pod["spec"]["restartPolicy"].as_str(), Some("Never" | "OnFailure"));
    // What others run is unknown here, and counts as done at once; this one is known never to end.
    let is_pause =
        |container: &Value| container["image"].as_str().is_some_and(|image| image.contains("pause:"));
    if !may_end || containers(pod).any(is_pause) {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        return json!({"phase": "Running", "containerStatuses": statuses, "conditions": ready});
    }
    let ended = |mut status: Value| {
        status["state"] = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        status["ready"] = json!(false);
        status
    };
    let statuses: Vec<Value> = statuses.into_iter().map(ended).collect();
    json!({"phase": "Succeeded", "containerStatuses": statuses})
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let list = |name: &str| pod["spec"][name].as_array().into_iter().flatten();
    list("initContainers").chain(list("containers"))
}
