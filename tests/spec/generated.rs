//! The JSON Schema, the ready-made examples and the reference say what the parser says.

use std::path::Path;

use airlock::spec;
use serde_json::Value;

use crate::examples::{self, as_json, repository};
use crate::with_head;

#[test]
fn examples_are_accepted_by_parser_and_schema() {
    let count = examples::check("Bundle", &spec::schema(), |name, text| {
        let spec = spec::parse(text.as_bytes(), name, Path::new(""));
        spec.unwrap_or_else(|error| panic!("{name}: {}", crate::rendered(&error)));
    });
    assert!(count >= 3, "only {count} examples were found");
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let validator = jsonschema::validator_for(&spec::schema()).expect("a valid schema");
    assert!(validator.is_valid(&as_json(&with_head("images: [busybox:1]\n"))));
    for body in [
        "imges: []\n",
        "images: foo\n",
        "images: [{referrers: true}]\n",
        "images: [{image: a:1, from: docker://a}]\n",
        "images: [{image: a:1, platforms: [linux/riscv64]}]\n",
        "hosts: [centos-7]\nimages: [a:1]\n",
        "channel: a..b\nimages: [a:1]\n",
        "k3s: {images: true}\n",
        "k3s: {version: v1.36.3-k3s1}\n",
        "k3s: {version: v1.36.3+k3s1, channel: stable}\n",
        "files: [{path: a}]\n",
        "files: [{path: a, url: https://a.lab, to: /a}]\n",
        "files: [{path: a, to: a}]\n",
        "files: [{path: a, to: /a, mode: \"4755\"}]\n",
        "files: [{path: a, to: /a, sha256: abc}]\n",
        "apt: {}\n",
        "apt: {targets: []}\n",
        "hosts: [debian-12]\napt: {packages: [jq], targets: [{name: a}]}\n",
        "hosts: [debian-12]\napt: {packages: [jq], targets: [{host: debian-12, baseline: {}}]}\n",
        "hosts: [debian-12]\napt: {packages: [jq], targets: [{host: debian-12, archive: {securityUri: https://a.lab}}]}\n",
        "apt: {repositories: [{uri: https://a.lab, suites: [/]}], targets: []}\n",
        "hosts: [debian-12]\napt: {packages: [jq], pins: [{packages: [jq], priority: 1}], targets: [{host: debian-12}]}\n",
        "nvidia: {driver: {from: elsewhere}}\n",
        "nvidia: {driver: {branch: latest}}\n",
        "nvidia: {containerToolkit: [a]}\n",
        "charts: {}\n",
    ] {
        let text = with_head(body);
        assert!(!validator.is_valid(&as_json(&text)), "the schema accepts {body}");
        assert!(crate::parse(&text).is_err(), "the parser accepts {body}");
    }
}

#[test]
fn the_reference_explains_every_key() {
    let reference = fs_err::read_to_string(repository("docs/bundle-yaml.md")).expect("there is a reference");
    let mut keys = Vec::new();
    collect_keys(&spec::schema(), &mut keys);
    assert!(keys.len() > 20);
    for key in keys {
        assert!(reference.contains(&format!("`{key}`")), "docs/bundle-yaml.md does not explain `{key}`");
    }
}

fn collect_keys(schema: &Value, keys: &mut Vec<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        keys.extend(properties.keys().cloned());
    }
    let definitions = schema.get("$defs").and_then(Value::as_object);
    definitions.into_iter().flatten().for_each(|(_, definition)| collect_keys(definition, keys));
}
