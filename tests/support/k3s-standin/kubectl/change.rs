//! The commands of `kubectl` that change something.

use std::io::Read as _;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::client::Client;
use super::shown;
use crate::kubernetes::Place;
use crate::manifests::documents;
use crate::node_object::parse_taint;
use crate::{Result, say};

/// `apply -f FILE`; `-` is stdin.
pub async fn apply(client: &Client, arguments: &Arguments) -> Result<()> {
    for (place, document) in manifests(arguments)? {
        let exists = client.call(Method::GET, &place.path(), None).await.is_ok();
        let (method, word) = if exists { (Method::PATCH, "configured") } else { (Method::PUT, "created") };
        client.call(method, &place.path(), Some(&document)).await?;
        say(&format!("{} {word}", shown(&place)))?;
    }
    Ok(())
}

/// `delete -f FILE` or `delete KIND NAME…`
pub async fn delete(client: &Client, arguments: &Arguments, what: &[&str]) -> Result<()> {
    let places: Vec<Place> = match what {
        [] => manifests(arguments)?.into_iter().map(|(place, _)| place).collect(),
        [kind, names @ ..] => match kind.split_once('/') {
            Some((kind, name)) => vec![arguments.place(kind).named(name)],
            None => names.iter().map(|name| arguments.place(kind).named(name)).collect(),
        },
    };
    for place in places {
        match client.call(Method::DELETE, &place.path(), None).await {
            Ok(_) => say(&format!("{} deleted", shown(&place)))?,
            Err(error) if arguments.has("ignore-not-found") && error.to_string().contains("(NotFound)") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn manifests(arguments: &Arguments) -> Result<Vec<(Place, Value)>> {
    let text = match arguments.option("filename") {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        Some(file) => fs_err::read_to_string(file).map_err(|error| format!("error: {error}"))?,
        None => return Err("error: must specify one of -f and -k".into()),
    };
    let mut found = Vec::new();
    for mut document in documents(&text)? {
        if let (Some(namespace), Value::Null) =
            (arguments.option("namespace"), &document["metadata"]["namespace"])
        {
            document["metadata"]["namespace"] = json!(namespace);
        }
        let place = Place::of_manifest(&document).ok_or("error: a document has no kind, version or name")?;
        found.push((place, document));
    }
    Ok(found)
}

/// `label node NAME key=value key-`, and the same with `annotate`.
pub async fn mark(client: &Client, verb: &str, node: &str, marks: &[&str]) -> Result<()> {
    let (field, done) = if verb == "label" { ("labels", "labeled") } else { ("annotations", "annotated") };
    let mut changes = Map::new();
    for mark in marks {
        match (mark.split_once('='), mark.strip_suffix('-')) {
            (Some((key, value)), _) => changes.insert(key.to_owned(), json!(value)),
            (None, Some(key)) => changes.insert(key.to_owned(), Value::Null),
            (None, None) => {
                return Err(format!("error: at least one {verb} update is required: {mark}").into());
            }
        };
    }
    patch(client, node, &json!({"metadata": {field: changes}})).await?;
    say(&format!("node/{node} {done}"))
}

/// `taint node NAME key=value:Effect key-`
pub async fn taint(client: &Client, node: &str, changes: &[&str]) -> Result<()> {
    let object = client.call(Method::GET, &place(node).path(), None).await?;
    let mut taints = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
    for change in changes {
        let key = change.split(['=', ':', '-']).next().unwrap_or_default();
        let removed = change.strip_suffix('-').map(|left| left.split([':', '=']).next().unwrap_or_default());
        taints.retain(|taint| taint["key"] != removed.unwrap_or(key));
        if removed.is_none() {
            let taint = parse_taint(change).ok_or_else(|| format!("error: invalid taint spec: {change}"))?;
            taints.retain(|existing| existing["key"] != taint["key"]);
            taints.push(taint);
        }
    }
    patch(client, node, &json!({"spec": {"taints": taints}})).await?;
    say(&format!("node/{node} modified"))
}

/// `cordon NAME`, `uncordon NAME`
pub async fn cordon(client: &Client, node: &str, is_closed: bool) -> Result<()> {
    patch(client, node, &json!({"spec": {"unschedulable": is_closed}})).await?;
    say(&format!("node/{node} {}", if is_closed { "cordoned" } else { "uncordoned" }))
}

/// `drain NAME`: cordons it and sends its pods away, but for those of daemon sets.
pub async fn drain(client: &Client, node: &str) -> Result<()> {
    cordon(client, node, true).await?;
    for pod in client.list(&Place::of_word("pods", None)).await? {
        let is_here = pod["spec"]["nodeName"] == node;
        let is_daemon = pod["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet";
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        if is_here && !is_daemon {
            let place = Place::of_word("pods", pod["metadata"]["namespace"].as_str()).named(name);
            client.call(Method::DELETE, &place.path(), None).await?;
            say(&format!("pod/{name} evicted"))?;
        }
    }
    say(&format!("node/{node} drained"))
}

async fn patch(client: &Client, node: &str, change: &Value) -> Result<()> {
    client.call(Method::PATCH, &place(node).path(), Some(change)).await.map(drop)
}

fn place(node: &str) -> Place {
    Place::of_word("nodes", None).named(node)
}
