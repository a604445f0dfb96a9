//! The committed JSON Schemas are those of the types, and the golden files keep to them.
//!
//! `UPDATE_GENERATED=1 cargo test --test schemas` writes the schemas.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::path::{Path, PathBuf};

use airlock::bundle::manifest::Manifest;
use airlock::lock::file;
use airlock::node::settings::Settings;
use airlock::spec;
use serde_json::Value;

/// All golden locks.
const LOCKS: [&str; 3] = [
    "bundle-spec/golden/locks/everything.lock",
    "bundle-spec/golden/locks/packages.lock",
    "bundle-spec/golden/locks/smallest.lock",
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs_err::read_to_string(repository(path)).unwrap()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of the test run, not of the program")]
fn the_committed_schemas_are_the_generated_ones() {
    for (path, schema) in [
        ("bundle-spec/bundle.schema.json", spec::schema()),
        ("bundle-spec/cluster.schema.json", spec::cluster::schema()),
        ("bundle-spec/lock.schema.json", file::schema()),
        ("bundle-spec/manifest.schema.json", Manifest::schema()),
        ("bundle-spec/settings.schema.json", Settings::schema()),
    ] {
        let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs_err::write(repository(path), &generated).unwrap();
        }
        let committed = fs_err::read_to_string(repository(path)).unwrap_or_default();
        assert!(
            committed == generated,
            "{path} is out of date: UPDATE_GENERATED=1 cargo test --test schemas"
        );
    }
}

fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(value).map(|error| error.to_string()).collect()
}

#[test]
fn golden_locks_are_read_and_written_for_ever() {
    for path in LOCKS {
        let text = read(path);
        let lock = file::parse(&text, path).unwrap();
        assert_eq!(file::render(&lock).unwrap(), text, "{path}");
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(faults(&file::schema(), &value), [""; 0], "{path}");
    }
}

#[test]
fn the_golden_locks_have_every_key_of_the_schema_and_the_document_explains_it() {
    let (locks, document) = (LOCKS.map(read).concat(), read("bundle-spec/lock.md"));
    let keys = keys(&file::schema());
    assert!(keys.len() > 25, "{keys:?}");
    for key in keys {
        assert!(locks.contains(&format!("{key}:")), "the golden locks lack `{key}`");
        assert!(document.contains(&format!("`{key}`")), "bundle-spec/lock.md does not explain `{key}`");
    }
}

#[test]
fn golden_manifests_keep_to_the_schema_which_the_document_explains() {
    let document = read("bundle-spec/v1.md");
    for key in keys(&Manifest::schema()) {
        assert!(document.contains(&key), "bundle-spec/v1.md does not explain `{key}`");
    }
    for volume in ["single/golden-1.0.tar", "volumes/golden-1.0.1-of-2.tar", "packages/golden-1.0.tar"] {
        let tar = std::process::Command::new("tar")
            .arg("-xOf")
            .arg(repository("bundle-spec/golden").join(volume))
            .arg("manifest.json")
            .output()
            .unwrap();
        let manifest: Value = serde_json::from_slice(&tar.stdout).unwrap();
        assert_eq!(faults(&Manifest::schema(), &manifest), [""; 0], "{volume}");
        let mut damaged = manifest.clone();
        damaged["blobs"][0]["digest"] = "sha256:0".into();
        damaged["unknown"] = true.into();
        assert_eq!(faults(&Manifest::schema(), &damaged).len(), 2, "{volume}");
    }
}

#[test]
fn the_settings_of_a_node_keep_to_the_schema_which_the_document_explains() {
    let (schema, document) = (Settings::schema(), read("bundle-spec/settings.md"));
    for key in keys(&schema) {
        assert!(document.contains(&format!("`{key}`")), "bundle-spec/settings.md does not explain `{key}`");
    }
    let usual = serde_json::to_value(Settings::default()).unwrap();
    assert_eq!(faults(&schema, &usual), [""; 0]);
    let example = document.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    assert_eq!(faults(&schema, &example), [""; 0]);
    Settings::parse(example.to_string().as_bytes()).unwrap();
    for damaged in [r#"{"rolle": "agent"}"#, r#"{"signatures": 0}"#, r#"{"registry": {"kind": "none"}}"#] {
        let value: Value = serde_json::from_str(damaged).unwrap();
        assert_eq!(faults(&schema, &value).len(), 1, "{damaged}");
    }
}

/// All names of properties in a schema.
fn keys(schema: &Value) -> Vec<String> {
    let own = schema.get("properties").and_then(Value::as_object);
    let mut found: Vec<String> = own.into_iter().flatten().map(|(key, _)| key.clone()).collect();
    let alternatives = schema.get("oneOf").and_then(Value::as_array);
    found.extend(alternatives.into_iter().flatten().flat_map(keys));
    let definitions = schema.get("$defs").and_then(Value::as_object);
    found.extend(definitions.into_iter().flatten().flat_map(|(_, definition)| keys(definition)));
    found
}
