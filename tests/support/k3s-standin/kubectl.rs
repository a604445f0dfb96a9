//! `kubectl`, as far as an installer and its tests need it: get, apply, delete, label, annotate, taint, cordon, drain,
//! wait.

mod arguments;
mod change;
pub mod client;
mod drain;
mod jsonpath;
mod nodes;
mod output;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use super::kubernetes::Place;
use super::{Result, Variables, kubeconfig, say, version};
use arguments::Arguments;
use client::Client;

/// How often `wait` looks.
const INTERVAL: Duration = Duration::from_millis(200);

/// Runs one command.
pub async fn run(words: &[String], variables: &Variables) -> Result<()> {
    let arguments = Arguments::parse(words)?;
    let given = arguments.option("kubeconfig").or_else(|| variables.get("KUBECONFIG").map(String::as_str));
    let kubeconfig = PathBuf::from(given.unwrap_or("/etc/rancher/k3s/k3s.yaml"));
    let client = Client::new(&kubeconfig)?;
    remember(&client, variables);
    let positional: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    match positional[..] {
        ["version"] => say(&format!("Client Version: {} (stand-in)", version::version())),
        ["config", "view"] if arguments.has("raw") && arguments.option("output") == Some("json") => {
            say(&kubeconfig::read(&kubeconfig)?.to_string())
        }
        ["get"] if arguments.option("raw").is_some() => {
            say(&client.raw(arguments.option("raw").unwrap_or_default()).await?)
        }
        ["get", kind, ref names @ ..] => get(&client, &arguments, kind, names).await,
        ["apply" | "create"] => change::apply(&client, &arguments).await,
        ["delete", ref what @ ..] => change::delete(&client, &arguments, what).await,
        [verb @ ("label" | "annotate"), "node" | "nodes" | "no", ref words @ ..] => {
            nodes::mark(&client, &arguments, verb, words).await
        }
        ["taint", "node" | "nodes" | "no", ref words @ ..] => nodes::taint(&client, &arguments, words).await,
        ["cordon", node] => nodes::cordon(&client, node, true).await,
        ["uncordon", node] => nodes::cordon(&client, node, false).await,
        ["drain", node] => drain::drain(&client, &arguments, node).await,
        ["wait", ref what @ ..] => wait(&client, &arguments, what).await,
        _ => Err(format!("error: unknown command \"{}\" for \"kubectl\"", words.join(" ")).into()),
    }
}

/// What is known of the API is kept for the next time, as the real one does; if it cannot be, that is no error.
fn remember(client: &Client, variables: &Variables) {
    let given = variables.get("KUBECACHEDIR").map(PathBuf::from);
    let cache = given.or_else(|| Some(PathBuf::from(variables.get("HOME")?).join(".kube/cache")));
    if let Some(cache) = cache {
        let file = cache.join("discovery").join(client.name()).join("servergroups.json");
        let _ = super::paths::write(&file, b"{}", 0o660);
    }
}

async fn get(client: &Client, arguments: &Arguments, kind: &str, names: &[&str]) -> Result<()> {
    // A name can stand behind the kind, as in `node/server1`.
    let (kind, in_kind) = kind.split_once('/').map_or((kind, None), |(kind, name)| (kind, Some(name)));
    let names: Vec<&str> = in_kind.into_iter().chain(names.iter().copied()).collect();
    let collection = arguments.place(kind);
    let items = if names.is_empty() {
        let list = client.list(&collection).await?;
        list.into_iter().filter(|item| arguments.selects(item)).collect()
    } else {
        let mut items = Vec::new();
        for name in &names {
            match client.call(Method::GET, &collection.named(name).path(), None).await {
                Ok(item) => items.push(item),
                Err(error)
                    if arguments.has("ignore-not-found") && error.to_string().contains("(NotFound)") => {}
                Err(error) => return Err(error),
            }
        }
        items
    };
    let text = output::render(&collection, &items, arguments, names.len() == 1)?;
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// `wait --for=condition=Ready node/NAME --timeout=60s`
async fn wait(client: &Client, arguments: &Arguments, what: &[&str]) -> Result<()> {
    let condition = arguments.option("for").and_then(|wanted| wanted.strip_prefix("condition="));
    let condition = condition.ok_or("error: the stand-in waits for conditions")?;
    let (kind, name) = match what {
        [kind_and_name] => kind_and_name.split_once('/').ok_or("error: KIND/NAME is needed")?,
        [kind, name] => (*kind, *name),
        _ => return Err("error: one object is needed".into()),
    };
    let seconds = arguments.option("timeout").unwrap_or("30s").trim_end_matches('s').parse()?;
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let place = arguments.place(kind).named(name);
    loop {
        let object = client.call(Method::GET, &place.path(), None).await?;
        if has_condition(&object, condition) {
            return say(&format!("{kind}/{name} condition met"));
        }
        if Instant::now() >= deadline {
            return Err(
                format!("error: timed out waiting for the condition on {}/{name}", place.plural).into()
            );
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn has_condition(object: &Value, wanted: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut found = conditions.filter(|condition| condition["type"] == wanted);
    found.any(|condition| condition["status"] == "True")
}

/// As `kubectl` names an object in what it says: `node/server1`, `deployment.apps/web`.
fn shown(place: &Place) -> String {
    let singular = match place.plural.as_str() {
        "runtimeclasses" | "storageclasses" | "ingresses" => place.plural.trim_end_matches("es"),
        plural => plural.trim_end_matches('s'),
    };
    let group =
        place.group_version.rsplit_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    format!("{singular}{group}/{}", place.name.as_deref().unwrap_or_default())
}
