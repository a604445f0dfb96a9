//! The settings of docs/registry.md, as the other tests use them.

use std::path::Path;

use serde_json::Value;

/// The block of a language that has `part`, with the address and the certificate of a test.
pub fn settings(language: &str, part: &str, address: &str, certificate: &str) -> String {
    let found = block(language, part);
    found.replace("registry.lab:5000", address).replace("/etc/airlock/ca.crt", certificate)
}

fn block(language: &str, part: &str) -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/registry.md");
    let text = fs_err::read_to_string(document).unwrap();
    let start = format!("```{language}\n");
    let mut blocks = text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap());
    let found = blocks.find(|block| block.contains(part));
    found.unwrap_or_else(|| panic!("no block has `{part}`")).to_owned()
}

#[test]
fn settings_of_k3s_and_docker_are_well_formed() {
    let k3s: Value = serde_saphyr::from_str(&block("yaml", "mirrors:")).unwrap();
    assert_eq!(k3s["mirrors"]["*"]["endpoint"][0], "https://registry.lab:5000");
    assert_eq!(k3s["configs"]["registry.lab:5000"]["tls"]["ca_file"], "/etc/airlock/ca.crt");
    let docker: Value = serde_json::from_str(&block("json", "mirrors")).unwrap();
    assert_eq!(docker["registry-mirrors"][0], "https://registry.lab:5000");
}

/// Every metric that the document names is one that the server has.
#[test]
fn metrics_have_the_names_that_alerts_ask_for() {
    let served = crate::served::Served::start();
    served.request("/v2/");
    let metrics = served.request("/metrics");
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/registry.md");
    let text = fs_err::read_to_string(document).unwrap();
    let named = text.split("airlock_registry_").skip(1);
    let is_part = |character: char| character.is_ascii_lowercase() || character == '_';
    let named: Vec<&str> =
        named.map(|rest| rest.split(|character| !is_part(character)).next().unwrap()).collect();
    assert!(named.len() >= 5, "{named:?}");
    for name in named {
        assert!(metrics.contains(&format!("# TYPE airlock_registry_{name} ")), "{name} is not in\n{metrics}");
    }
}
