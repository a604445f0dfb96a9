//! The JSON Schema, the ready-made examples and the reference say what the parsers say.

use std::path::{Path, PathBuf};

use airlock::secret::Secret;
use airlock::spec::{ansible, cluster};
use serde_json::Value;

use crate::HEAD;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn as_json(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("well-formed YAML")
}

#[test]
fn examples_are_accepted_by_parser_and_schema() {
    let validator = jsonschema::validator_for(&cluster::schema()).expect("a valid schema");
    let mut count = 0;
    for entry in fs_err::read_dir(repository("manifests/examples")).expect("there are examples") {
        let path = entry.expect("a readable directory").path();
        let text = fs_err::read_to_string(&path).expect("a readable file");
        if !text.contains("kind: Cluster") {
            continue;
        }
        let name = path.display().to_string();
        let schema = "# yaml-language-server: $schema=../../bundle-spec/cluster.schema.json\n";
        assert!(text.starts_with(schema), "{name} does not name its schema");
        let mut canary = |_: &Path| Ok(Secret::new("canary".to_owned()));
        let read = cluster::parse(text.as_bytes(), &name, Path::new(""), &mut canary);
        let read = read.unwrap_or_else(|error| panic!("{name}: {}", crate::rendered(&error)));
        assert_eq!(read.warnings, []);
        let errors: Vec<String> =
            validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        count += 1;
    }
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
