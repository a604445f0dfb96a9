//! The JSON Schema, the ready-made examples and the reference say what the parsers say.

use std::path::Path;

use airlock::secret::Secret;
use airlock::spec::{ansible, cluster};

use crate::HEAD;
use crate::examples::{self, as_json, repository};

#[test]
fn examples_are_accepted_by_parser_and_schema() {
    let count = examples::check("Cluster", &cluster::schema(), |name, text| {
        let mut canary = |_: &Path| Ok(Secret::new("canary".to_owned()));
        let read = cluster::parse(text.as_bytes(), name, Path::new(""), &mut canary);
        let read = read.unwrap_or_else(|error| panic!("{name}: {}", crate::rendered(&error)));
        assert_eq!(read.warnings, []);
    });
    assert!(count >= 2, "only {count} examples were found");
    let text = fs_err::read(repository("manifests/examples/cluster.ini")).expect("an inventory of Ansible");
    assert!(ansible::is_ini(&text));
    ansible::parse(&text, "cluster.ini", Path::new(""))
        .unwrap_or_else(|error| panic!("{}", crate::rendered(&error)));
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let validator = jsonschema::validator_for(&cluster::schema()).expect("a valid schema");
    assert!(validator.is_valid(&as_json(&format!("{HEAD}servers: [a]\n"))));
    for body in [
        "agents: [a]\n",
        "servers: []\n",
        "server: [a]\n",
        "servers: a\n",
        "servers: [{names: a}]\n",
        "servers: [{name: a, port: 70000}]\n",
        "servers: [{name: a, gpu: maybe}]\n",
        "servers: [{name: a, nfs: [{source: \"a:/b\"}]}]\n",
        "servers: [a]\ndefaults: {name: a}\n",
        "servers: [a]\nvirtualAddress: {mode: keepalived}\n",
        "servers: [a]\nvirtualAddress: {host: 10.0.0.1, mode: vrrp}\n",
        "servers: [a]\nhttpPort: 0\n",
        "servers: [a]\nconcurrency: 0\n",
        "servers: [a]\nsiteRegistry: harbor.lab\n",
        "servers: [a]\ntoken: x\n",
    ] {
        assert!(!validator.is_valid(&as_json(&format!("{HEAD}{body}"))), "the schema accepts {body}");
        assert!(crate::yaml(body).is_err(), "the parser accepts {body}");
    }
}

#[test]
fn the_reference_explains_every_key() {
    let document = fs_err::read_to_string(repository("docs/cluster-yaml.md")).expect("a reference");
    let schema = cluster::schema();
    let objects = std::iter::once(&schema).chain(schema["$defs"].as_object().expect("definitions").values());
    let keys: Vec<&String> = objects
        .filter_map(|object| object["properties"].as_object())
        .flat_map(serde_json::Map::keys)
        .collect();
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        assert!(document.contains(&format!("`{key}`")), "docs/cluster-yaml.md does not explain `{key}`");
    }
}
