//! oras of Debian 13: artifacts, and what refers to them.

use serde_json::Value;

use crate::root_of_clients;
use crate::served::{Served, Workplace};
use crate::tools::{printed, run, run_with};

#[test]
#[ignore = "takes a root of Debian 13; scripts/test runs it"]
fn clients_oras_of_debian_13() {
    let Some(root) = root_of_clients("trixie") else { return };
    let served = Served::start();
    let place = Workplace::new(&root);
    fs_err::copy(served.authority(), place.path("ca.crt")).unwrap();
    fs_err::write(place.path("model.bin"), [7; 100_000]).unwrap();
    fs_err::write(place.path("sbom.json"), r#"{"spdxVersion":"SPDX-2.3"}"#).unwrap();
    let oras = |verb: &str, arguments: &[&str]| {
        let mut command = place.command("oras");
        command.args([verb, "--ca-file", "ca.crt"]).args(arguments);
        command
    };
    let artifact = format!("{}/lab/model:1", served.address);
    run_with(&mut oras("login", &["-u", "ada", "--password-stdin", &served.address]), &served.token());
    let kind = ["--artifact-type", "application/vnd.lab.model"];
    run(&mut oras("push", &[&artifact, kind[0], kind[1], "model.bin:application/octet-stream"]));
    run(&mut oras("attach", &[&artifact, "--artifact-type", "application/spdx+json", "sbom.json"]));
    run(&mut oras("attach", &[&artifact, "--artifact-type", "application/vnd.lab.note", "sbom.json"]));

    let found = |arguments: &[&str]| -> Vec<Value> {
        let found = printed(&run(&mut oras("discover", &[&["--format", "json"], arguments].concat())));
        let found: Value = serde_json::from_str(&found).unwrap();
        let list = if found["referrers"].is_array() { &found["referrers"] } else { &found["manifests"] };
        list.as_array().unwrap().clone()
    };
    assert_eq!(found(&[&artifact]).len(), 2);
    let sboms = found(&["--artifact-type", "application/spdx+json", &artifact]);
    assert_eq!(sboms.len(), 1);
    let subject = served.digest("lab/model/manifests/1");
    assert!(
        served.requests(&format!("GET /v2/lab/model/referrers/{subject}")) > 0,
        "{:#?}",
        served.serving.said()
    );
    assert_eq!(served.requests("/manifests/sha256-"), 0, "the fallback for old registries is not needed");

    run(&mut oras("pull", &[&artifact, "--output", "artifact"]));
    assert_eq!(fs_err::read(place.path("artifact/model.bin")).unwrap(), [7; 100_000]);
    let sbom = format!("{}/lab/model@{}", served.address, sboms[0]["digest"].as_str().unwrap());
    run(&mut oras("pull", &[&sbom, "--output", "attached"]));
    let sbom = fs_err::read_to_string(place.path("attached/sbom.json")).unwrap();
    assert_eq!(sbom, r#"{"spdxVersion":"SPDX-2.3"}"#);
}
