//! `kubectl drain`: closes a node and evicts its pods; what it refuses without being told, and what holds it up.

use std::io::Write as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::client::Client;
use super::nodes::cordon;
use crate::kubernetes::Place;
use crate::{Result, say};

/// How long it waits before a refused eviction is tried again. The real one waits 5 s.
const RETRY: Duration = Duration::from_millis(500);

/// `drain NODE [--ignore-daemonsets] [--delete-emptydir-data] [--force] [--timeout=60s]`
pub async fn drain(client: &Client, arguments: &Arguments, node: &str) -> Result<()> {
    let pods = client.list(&Place::of_word("pods", None)).await?;
    let here: Vec<Value> = pods.into_iter().filter(|pod| pod["spec"]["nodeName"] == node).collect();
    cordon(client, node, true).await?;
    let refused = refusals(&here, arguments);
    if !refused.is_empty() {
        return Err(format!(
            "error: unable to drain node \"{node}\" due to error: [{}], continuing command...\nThere are pending nodes to \
             be drained:\n {node}",
            refused.join(", ")
        )
        .into());
    }
    let timeout = arguments.option("timeout").unwrap_or("0s");
    let deadline = Deadline::new(timeout)?;
    for pod in here.iter().filter(|pod| !is_daemon(pod)) {
        evict(client, node, pod, &deadline).await?;
    }
    say(&format!("node/{node} drained"))
}

/// When everything has to be over.
struct Deadline {
    text: String,
    end: Option<Instant>,
}

impl Deadline {
    /// In seconds or minutes, as Go writes durations; zero means never.
    fn new(text: &str) -> Result<Deadline> {
        let seconds = match text.strip_suffix('m') {
            Some(minutes) => minutes.parse::<u64>()? * 60,
            None => text.trim_end_matches('s').parse()?,
        };
        let end = (seconds > 0).then(|| Instant::now() + Duration::from_secs(seconds));
        Ok(Deadline { text: text.to_owned(), end })
    }

    fn has_passed(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}

async fn evict(client: &Client, node: &str, pod: &Value, deadline: &Deadline) -> Result<()> {
    let (name, namespace) = (text(&pod["metadata"]["name"]), text(&pod["metadata"]["namespace"]));
    let place = Place::of_word("pods", Some(namespace)).named(name);
    say(&format!("evicting pod {namespace}/{name}"))?;
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}});
    loop {
        let answer = client.call(Method::POST, &format!("{}/eviction", place.path()), Some(&eviction)).await;
        let refusal = match answer {
            Ok(_) => return say(&format!("pod/{name} evicted")),
            Err(error) if error.to_string().contains("(NotFound)") => return Ok(()),
            Err(error) if error.to_string().contains("(TooManyRequests)") => error.to_string(),
            Err(error) => return Err(error),
        };
        let reason = refusal.rsplit_once("): ").map_or(refusal.as_str(), |(_, reason)| reason);
        let line =
            format!("error when evicting pods/\"{name}\" -n \"{namespace}\" (will retry after 5s): {reason}");
        writeln!(std::io::stderr(), "{line}")?;
        if deadline.has_passed() {
            return Err(format!(
                "There are pending nodes to be drained:\n {node}\nerror: error when evicting pods/\"{name}\" -n \
                 \"{namespace}\": global timeout reached: {}",
                deadline.text
            )
            .into());
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Whether a pod is of some kind.
type Test = fn(&Value) -> bool;

/// What it does not touch unless it is told to.
fn refusals(pods: &[Value], arguments: &Arguments) -> Vec<String> {
    let mut refused = Vec::new();
    let kinds: [(&str, &str, Test); 3] = [
        ("ignore-daemonsets", "DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", is_daemon),
        (
            "delete-emptydir-data",
            "Pods with local storage (use --delete-emptydir-data to override)",
            has_local_data,
        ),
        ("force", "Pods that declare no controller (use --force to override)", is_alone),
    ];
    for (option, what, is_one) in kinds {
        let found: Vec<String> = pods.iter().filter(|pod| is_one(pod)).map(shown).collect();
        if !found.is_empty() && !arguments.has(option) {
            refused.push(format!("cannot delete {what}: {}", found.join(", ")));
        }
    }
    refused
}

fn is_daemon(pod: &Value) -> bool {
    pod["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet"
}

fn is_alone(pod: &Value) -> bool {
    pod["metadata"]["ownerReferences"][0].is_null()
}

fn has_local_data(pod: &Value) -> bool {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    !is_daemon(pod) && volumes.into_iter().any(|volume| volume["emptyDir"].is_object())
}

fn shown(pod: &Value) -> String {
    format!("{}/{}", text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
