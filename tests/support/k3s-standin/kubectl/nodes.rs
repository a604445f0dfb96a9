//! What `kubectl` does to nodes: labels, annotations, taints, cordons. What is there already is not changed unasked.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::client::Client;
use crate::kubernetes::Place;
use crate::node_object::parse_taint;
use crate::{Result, say};

/// `label node NAME… key=value key-`, and the same with `annotate`.
pub async fn mark(client: &Client, arguments: &Arguments, verb: &str, words: &[&str]) -> Result<()> {
    let (nodes, marks) = split(words);
    if marks.is_empty() {
        return Err(format!("error: at least one {verb} update is required").into());
    }
    let (field, done) = if verb == "label" { ("labels", "labeled") } else { ("annotations", "annotated") };
    for node in nodes {
        let object = client.call(Method::GET, &place(node).path(), None).await?;
        let present = &object["metadata"][field];
        let mut changes = Map::new();
        for mark in marks {
            let (key, value) = match mark.split_once('=') {
                Some((key, value)) => (key, json!(value)),
                None => (mark.trim_end_matches('-'), Value::Null),
            };
            if value.is_null() && present[key].is_null() {
                say(&format!("{verb} \"{key}\" not found."))?;
            } else if present[key] != value {
                refuse_change(arguments, key, &present[key], &value)?;
                changes.insert(key.to_owned(), value);
            }
        }
        let word = match (changes.is_empty(), changes.values().any(Value::is_null)) {
            (true, _) => format!("not {done}"),
            (false, true) if verb == "label" => "unlabeled".to_owned(),
            (false, _) => done.to_owned(),
        };
        patch(client, node, &json!({"metadata": {field: changes}})).await?;
        say(&format!("node/{node} {word}"))?;
    }
    Ok(())
}

fn refuse_change(arguments: &Arguments, key: &str, present: &Value, wanted: &Value) -> Result<()> {
    match present.as_str() {
        Some(present) if !wanted.is_null() && !arguments.has("overwrite") => {
            Err(format!("error: '{key}' already has a value ({present}), and --overwrite is false").into())
        }
        _ => Ok(()),
    }
}

/// `taint node NAME… key=value:Effect key:Effect- key-`
pub async fn taint(client: &Client, arguments: &Arguments, words: &[&str]) -> Result<()> {
    let (nodes, changes) = split(words);
    for node in nodes {
        let object = client.call(Method::GET, &place(node).path(), None).await?;
        let mut taints = object["spec"]["taints"].as_array().cloned().unwrap_or_default();
        for change in changes {
            match change.strip_suffix('-') {
                Some(removed) => remove_taint(&mut taints, removed)?,
                None => add_taint(&mut taints, change, node, arguments.has("overwrite"))?,
            }
        }
        patch(client, node, &json!({"spec": {"taints": taints}})).await?;
        let is_removal = changes.iter().all(|change| change.ends_with('-'));
        say(&format!("node/{node} {}", if is_removal { "untainted" } else { "tainted" }))?;
    }
    Ok(())
}

/// `key`, `key:Effect` or `key=value:Effect`
fn remove_taint(taints: &mut Vec<Value>, removed: &str) -> Result<()> {
    let (key, effect) = match removed.split_once(':') {
        Some((key, effect)) => (key, Some(effect)),
        None => (removed, None),
    };
    let key = key.split('=').next().unwrap_or_default();
    let before = taints.len();
    taints.retain(|taint| taint["key"] != key || effect.is_some_and(|effect| taint["effect"] != effect));
    if taints.len() == before { Err(format!("error: taint \"{removed}\" not found").into()) } else { Ok(()) }
}

fn add_taint(taints: &mut Vec<Value>, change: &str, node: &str, overwrites: bool) -> Result<()> {
    let taint = parse_taint(change).ok_or_else(|| format!("error: invalid taint spec: {change}"))?;
    let is_same = |other: &Value| other["key"] == taint["key"] && other["effect"] == taint["effect"];
    if taints.iter().any(is_same) && !overwrites {
        let key = taint["key"].as_str().unwrap_or_default();
        let message = "taint(s) with same effect(s) and --overwrite is false";
        return Err(format!("error: node {node} already has {key} {message}").into());
    }
    taints.retain(|other| !is_same(other));
    taints.push(taint);
    Ok(())
}

/// `cordon NAME…`, `uncordon NAME…`
pub async fn cordon(client: &Client, node: &str, is_closed: bool) -> Result<()> {
    let object = client.call(Method::GET, &place(node).path(), None).await?;
    let word = if is_closed { "cordoned" } else { "uncordoned" };
    if (object["spec"]["unschedulable"] == true) == is_closed {
        return say(&format!("node/{node} already {word}"));
    }
    let value = if is_closed { json!(true) } else { Value::Null };
    patch(client, node, &json!({"spec": {"unschedulable": value}})).await?;
    say(&format!("node/{node} {word}"))
}

/// The names of nodes, and what stands behind them.
fn split<'a, 'b>(words: &'a [&'b str]) -> (&'a [&'b str], &'a [&'b str]) {
    let is_change = |word: &&str| word.contains(['=', ':']) || word.ends_with('-');
    words.split_at(words.iter().position(is_change).unwrap_or(words.len()))
}

async fn patch(client: &Client, node: &str, change: &Value) -> Result<()> {
    client.call(Method::PATCH, &place(node).path(), Some(change)).await.map(drop)
}

fn place(node: &str) -> Place {
    Place::of_word("nodes", None).named(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_are_told_apart_by_key_and_effect() {
        let mut taints = Vec::new();
        add_taint(&mut taints, "gpu=present:NoSchedule", "a", false).unwrap();
        add_taint(&mut taints, "gpu:NoExecute", "a", false).unwrap();
        let refused = add_taint(&mut taints, "gpu=other:NoSchedule", "a", false).unwrap_err().to_string();
        assert_eq!(
            refused,
            "error: node a already has gpu taint(s) with same effect(s) and --overwrite is false"
        );
        add_taint(&mut taints, "gpu=other:NoSchedule", "a", true).unwrap();
        assert_eq!(taints[1]["value"], "other");
        remove_taint(&mut taints, "gpu=other:NoSchedule").unwrap();
        assert_eq!(taints.len(), 1);
        remove_taint(&mut taints, "gpu").unwrap();
        assert!(remove_taint(&mut taints, "gpu").is_err());
        assert_eq!(split(&["a", "b", "x=1", "y-"]), (&["a", "b"][..], &["x=1", "y-"][..]));
    }
}
