//! What `kubectl get` prints: tables, JSON or names.

use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{jsonpath, shown};
use crate::Result;
use crate::kubernetes::Place;

/// The text for these objects of a collection, with the end of its last line unless a template says how it ends. `is_one` is whether one was asked for by name.
///
/// # Errors
/// If a path of JSON is none that is known here.
pub fn render(collection: &Place, items: &[Value], arguments: &Arguments, is_one: bool) -> Result<String> {
    let document = || match items {
        [one] if is_one => one.clone(),
        _ => json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}),
    };
    let output = arguments.option("output");
    if let Some(template) = output.and_then(|output| output.strip_prefix("jsonpath=")) {
        return jsonpath::render(template, &document());
    }
    let text = match output {
        Some("json") => format!("{:#}", document()),
        Some("name") => {
            let names = items.iter().map(|item| shown(&collection.named(text(&item["metadata"]["name"]))));
            names.collect::<Vec<_>>().join("\n")
        }
        output => table(collection, items, output == Some("wide"), arguments.has("all-namespaces")),
    };
    let is_table = !matches!(output, Some("json" | "name"));
    let text = match text.split_once('\n') {
        Some((_, rows)) if is_table && arguments.has("no-headers") => rows.to_owned(),
        _ => text,
    };
    Ok(if text.is_empty() { text } else { text + "\n" })
}

/// The cells of one object.
type Row = fn(&Value) -> Vec<String>;

fn table(collection: &Place, items: &[Value], is_wide: bool, with_namespace: bool) -> String {
    if items.is_empty() {
        return "No resources found".to_owned();
    }
    let (head, row): (&[&str], Row) = match (collection.plural.as_str(), is_wide) {
        ("nodes", false) => (&["NAME", "STATUS", "ROLES", "AGE", "VERSION"], node),
        ("nodes", true) => {
            let head = &[
                "NAME",
                "STATUS",
                "ROLES",
                "AGE",
                "VERSION",
                "INTERNAL-IP",
                "EXTERNAL-IP",
                "OS-IMAGE",
                "KERNEL-VERSION",
                "CONTAINER-RUNTIME",
            ];
            (head, wide_node)
        }
        ("pods", false) => (&["NAME", "READY", "STATUS", "RESTARTS", "AGE"], pod),
        ("pods", true) => (&["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"], wide_pod),
        _ => (&["NAME", "AGE"], |item| vec![text(&item["metadata"]["name"]).to_owned(), age(item)]),
    };
    let mut rows = vec![head.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>()];
    rows.extend(items.iter().map(row));
    if with_namespace {
        rows[0].insert(0, "NAMESPACE".to_owned());
        for (cells, item) in rows.iter_mut().skip(1).zip(items) {
            cells.insert(0, text(&item["metadata"]["namespace"]).to_owned());
        }
    }
    aligned(&rows)
}

fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:0$}", width(column)));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn node(item: &Value) -> Vec<String> {
    let ready = item["status"]["conditions"][0]["status"] == "True";
    let cordoned = if item["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
    let labels = item["metadata"]["labels"].as_object().into_iter().flatten();
    let roles: Vec<&str> =
        labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")).collect();
    let roles = if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") };
    let status = format!("{}{cordoned}", if ready { "Ready" } else { "NotReady" });
    let version = text(&item["status"]["nodeInfo"]["kubeletVersion"]).to_owned();
    vec![text(&item["metadata"]["name"]).to_owned(), status, roles, age(item), version]
}

fn wide_node(item: &Value) -> Vec<String> {
    let info = &item["status"]["nodeInfo"];
    let mut cells = node(item);
    cells.extend([text(&item["status"]["addresses"][0]["address"]).to_owned(), "<none>".to_owned()]);
    cells.extend(
        ["osImage", "kernelVersion", "containerRuntimeVersion"].map(|key| text(&info[key]).to_owned()),
    );
    cells
}

fn pod(item: &Value) -> Vec<String> {
    let statuses = item["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let ready = statuses.iter().filter(|status| status["ready"] == true).count();
    let total = item["spec"]["containers"].as_array().map_or(0, Vec::len);
    let waiting = statuses.iter().find_map(|status| status["state"]["waiting"]["reason"].as_str());
    let status = match (waiting, text(&item["status"]["phase"])) {
        (Some(reason), _) => reason,
        (None, "Succeeded") => "Completed",
        (None, "") => "Pending",
        (None, phase) => phase,
    };
    let name = text(&item["metadata"]["name"]).to_owned();
    vec![name, format!("{ready}/{total}"), status.to_owned(), "0".to_owned(), age(item)]
}

fn wide_pod(item: &Value) -> Vec<String> {
    let mut cells = pod(item);
    let node = item["spec"]["nodeName"].as_str().unwrap_or("<none>");
    cells.extend(["<none>".to_owned(), node.to_owned()]);
    cells
}

/// Such as `5s` or `3m`.
fn age(item: &Value) -> String {
    let created: Option<jiff::Timestamp> = text(&item["metadata"]["creationTimestamp"]).parse().ok();
    let Some(created) = created else { return "<unknown>".to_owned() };
    match (jiff::Timestamp::now().as_second() - created.as_second()).max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds => format!("{}h", seconds / 3600),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
