//! `k3s etcd-snapshot save|ls|delete|prune`: lets the server on this node work with snapshots.

use reqwest::Method;
use serde_json::{Value, json};

use super::flags::Role;
use super::kubectl::client::Client;
use super::paths::Paths;
use super::settings::Settings;
use super::{Result, Variables, log, say};

/// Where the server listens for it.
pub const PATH: &str = "/db/snapshot";
/// What snapshots are called that somebody asks for.
const ON_DEMAND: &str = "on-demand";

/// Runs one command. Settings come from `config.yaml` as well.
pub async fn run(arguments: &[String], variables: &Variables) -> Result<()> {
    let (operation, rest) = arguments.split_first().ok_or("No help topic for 'etcd-snapshot'")?;
    let (output, rest) = take_output(rest);
    let (flags, names): (Vec<String>, Vec<String>) = match operation.as_str() {
        "delete" => rest.into_iter().partition(|word| word.starts_with('-')),
        "save" | "ls" | "list" | "prune" => (rest.iter().map(|word| renamed(word)).collect(), Vec::new()),
        other => return Err(format!("No help topic for '{other}'").into()),
    };
    let settings = Settings::read(Role::Server, &flags, variables).await?;
    let name = settings.last("etcd-snapshot-name").unwrap_or(ON_DEMAND);
    let retention = settings.last("etcd-snapshot-retention").unwrap_or("5");
    let request = json!({"operation": operation, "name": name, "names": names, "retention": retention.parse::<usize>()?,
        "directory": super::snapshots::directory(&settings)});
    let client = Client::new(&Paths::new("").kubeconfig())?;
    let answer = client.call(Method::POST, PATH, Some(&request)).await;
    let answer = answer.map_err(|error| format!("see server log for details: {error}"))?;
    match operation.as_str() {
        "ls" | "list" => show(output.as_deref(), &answer),
        "save" => {
            log::info(&format!("Snapshot {} saved.", text(&answer["saved"])));
            Ok(())
        }
        _ => {
            for name in answer["deleted"].as_array().into_iter().flatten() {
                log::info(&format!("Snapshot {} deleted.", text(name)));
            }
            Ok(())
        }
    }
}

/// These commands know some flags under shorter names.
fn renamed(word: &str) -> String {
    let long = |short: &str, long: &str| word.strip_prefix(short).map(|rest| format!("{long}{rest}"));
    let renamed = long("--snapshot-retention", "--etcd-snapshot-retention");
    let renamed = renamed.or_else(|| long("--snapshot-dir", "--etcd-snapshot-dir"));
    let renamed = renamed.or_else(|| long("--name", "--etcd-snapshot-name"));
    renamed.or_else(|| long("--dir", "--etcd-snapshot-dir")).unwrap_or_else(|| word.to_owned())
}

/// The value of `-o` or `--output`, and the other words.
fn take_output(words: &[String]) -> (Option<String>, Vec<String>) {
    let (mut output, mut others) = (None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("-o" | "--output", value)) => output = Some(value.to_owned()),
            None if word == "-o" || word == "--output" => output = words.next().cloned(),
            _ => others.push(word.clone()),
        }
    }
    (output, others)
}

fn show(output: Option<&str>, answer: &Value) -> Result<()> {
    let snapshots = answer["items"].as_array().cloned().unwrap_or_default();
    if output == Some("json") {
        return say(&answer.to_string());
    }
    say("Name Location Size Created")?;
    for snapshot in snapshots {
        let (spec, status) = (&snapshot["spec"], &snapshot["status"]);
        let cells = [&spec["snapshotName"], &spec["location"], &status["size"], &status["creationTime"]];
        say(&cells.map(text).join(" "))?;
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
