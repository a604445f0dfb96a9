//! `docs/preflight.md`, and document and schema of facts, are generated and up to date.
//!
//! `UPDATE_GENERATED=1 cargo test --test node` writes them.

use std::fmt::Write;
use std::path::Path;

use airlock::node::facts::Facts;
use airlock::node::preflight::{Check, Concern, checks};
use serde_json::Value;

const INTRODUCTION: &str = "# Checks of preflight\n
`airlock node preflight` looks at a machine and says whether it can become a node, and what to do where it cannot. It
changes nothing, unless `--fix` is given: then it writes what the last column says into files of ours, which say so.
Modules that can be loaded pass, since k3s loads them; `--fix` has them loaded at every start.
What an earlier, interrupted run of ours left counts for nothing.

`airlock install` makes the same checks before it plans anything, with the settings and the bundle of the installation.
What blocks ends it, what `--fix` would put right becomes steps of the installation, recorded in the journal of the node,
so that a reset gives the old values back; `--fix=false` leaves them out. What the kernel does not let us set, as in some
containers, is left alone.

A check that fails *blocks* (the command ends with 7), *warns*, or is *information*; of several degrees the table has the
worst. What a check looks at and cannot read is listed as not checked, and does not block. A site may weigh checks
differently with `--policy FILE`, or with `/etc/airlock/preflight-policy.yaml`, where `install --policy` keeps it for later
runs:

```yaml
apiVersion: airlock/v1
kind: PreflightPolicy
checks:
  P11: {severity: info, reason: swap is on for the batch nodes}
  D8: {severity: block, reason: etcd runs on these disks}
```

The severity holds for every degree of the check, and the reason stands in the report. An unknown id is an error.

Checks that need several nodes (unique names, clocks, connections between them), the content of a bundle, a simulated
installation of packages, or a running cluster are made where those are at hand, not here.
";

#[expect(clippy::disallowed_methods, reason = "tests are switched by a variable")]
fn check(name: &str, content: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs_err::write(&path, content).unwrap();
    }
    let committed = fs_err::read_to_string(&path).unwrap_or_default();
    assert!(committed == content, "{name} is out of date: UPDATE_GENERATED=1 cargo test --test node");
}

#[test]
fn the_table_of_checks_is_up_to_date() {
    let mut text = INTRODUCTION.to_owned();
    for (subject, groups) in checks::SUBJECTS {
        let _ = write!(
            text,
            "\n## {subject}\n\n| id | check | wanted | severity | concerns | `--fix` |\n|---|---|---|---|---|---|\n"
        );
        for check in groups.iter().flat_map(|group| group.iter()) {
            let _ = writeln!(text, "{}", row(check));
        }
    }
    check("docs/preflight.md", &text);
}

fn row(check: &Check) -> String {
    let concern = match check.concern {
        Concern::All => "all",
        Concern::Server => "servers",
        Concern::Agent => "agents",
        Concern::Gpu => "nodes with GPUs",
    };
    let fix = match (check.mend.is_some(), check.id.as_bytes()[0]) {
        (false, _) => "",
        (true, b'S') => "sets it, and writes `/etc/sysctl.d/99-airlock.conf`",
        (true, b'K') => "loads it, and writes `/etc/modules-load.d/airlock.conf`",
        (true, _) => "a route that leads nowhere, by the unit `airlock-default-route`",
    };
    let Check { id, title, threshold, severity, .. } = check;
    format!("| {id} | {title} | {threshold} | {} | {concern} | {fix} |", severity.name())
}

#[test]
fn the_schema_of_facts_is_up_to_date() {
    let schema = serde_json::to_string_pretty(&Facts::schema()).unwrap() + "\n";
    check("bundle-spec/facts.schema.json", &schema);
}

const FACTS: &str = "# Facts of a node\n
What a machine is, as `airlock node facts --json` prints it and `--output FILE` writes it: one JSON object. `format` is 1; a
reader refuses another number. Keys may be added without a new format; a reader ignores those it does not know.

Everything is read from files of the machine. Nothing is changed, no program is started, no module is loaded. What is not
there, or cannot be read, is `null`, an empty list, or not in a map; for what is there and cannot be read `notes` says why.
Whoever is not root gets what anybody may read. Sizes are bytes, times are RFC 3339 in UTC.

With `--packages`, `packages.installed` has the stanzas of `/var/lib/dpkg/status`, with the fields that decide what can be
installed beside a package. Such a file can stand for that status in `bundle.yaml`: `baseline: {status: gpu1.json}`.

Secrets are not read; user names and passwords in the addresses of proxies are replaced by asterisks. Host names, addresses,
serial numbers and lists of programs do stand here: treat the file as what it is, a description of your machine.

The [JSON Schema](facts.schema.json) says the same to programs.
";

/// Tables of the keys of every object in the schema.
#[test]
fn the_document_about_facts_is_up_to_date() {
    let schema = Facts::schema();
    let mut text = FACTS.to_owned();
    let definitions = schema["$defs"].as_object().unwrap().iter();
    for (name, object) in
        [("Facts", &schema)].into_iter().chain(definitions.map(|(name, object)| (name.as_str(), object)))
    {
        let Some(properties) = object["properties"].as_object() else { continue };
        let about = object["description"].as_str().unwrap_or_default();
        let _ = write!(text, "\n## {name}\n\n{about}\n\n| key | type | meaning |\n|---|---|---|\n");
        for (key, property) in properties {
            let meaning = property["description"].as_str().unwrap_or_default().replace('\n', " ");
            assert!(!meaning.is_empty(), "{name}.{key} is not explained");
            let _ = writeln!(text, "| `{key}` | {} | {meaning} |", kind(property, &schema));
        }
    }
    check("bundle-spec/facts.md", &text);
}

/// The type of a property in words.
fn kind(property: &Value, schema: &Value) -> String {
    if let Some(name) = property["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return of_definition(name, &schema["$defs"][name]);
    }
    if let Some(choices) = property["anyOf"].as_array() {
        return choices.iter().map(|choice| kind(choice, schema)).collect::<Vec<_>>().join(" or ");
    }
    match &property["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        Value::String(name) if name == "array" => format!("list of {}", kind(&property["items"], schema)),
        Value::String(name) if name == "object" => {
            format!("map to {}", kind(&property["additionalProperties"], schema))
        }
        other => other.as_str().unwrap_or("any").to_owned(),
    }
}

/// An object by its name, a choice by its words.
fn of_definition(name: &str, definition: &Value) -> String {
    let words = definition["oneOf"].as_array().into_iter().flatten();
    let words: Vec<String> =
        words.filter_map(|word| Some(format!("`{}`", word["const"].as_str()?))).collect();
    match (words.is_empty(), definition["properties"].is_object()) {
        (false, _) => words.join(", "),
        (true, true) => format!("[{name}](#{})", name.to_lowercase()),
        (true, false) => kind(definition, definition),
    }
}

#[test]
fn ids_are_used_once() {
    let mut ids: Vec<&str> = checks::all().map(|check| check.id).collect();
    let count = ids.len();
    assert!(count > 60, "{count}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
