//! What is not as the bundle says is found, by name, and nothing is changed on the way.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use airlock::error::codes;
use airlock::node::install::{Context, Place};
use airlock::node::origin::stored::Stored;
use airlock::node::verify::{self, Depth, Report};
use airlock::oci::digest::Digest;
use airlock::progress::Silent;
use airlock::store::Store;

use super::bundles::test_policy;
use super::machine::Host;

pub const STORE: &str = "/var/lib/airlock/store";

/// The installation without its medium: everything comes from the store.
pub fn from_store(host: &Host) -> Context {
    let store = Store::open(&host.machine.path(STORE)).unwrap();
    let verified = Stored::latest(&store).unwrap().unwrap().verify(&test_policy()).unwrap();
    Context {
        origin: std::sync::Arc::new(Stored::new(store, verified)),
        place: Place::Store,
        ..host.context(false)
    }
}

pub fn check(context: &Context) -> Report {
    verify::verify(context, Depth::Usual, &Silent).unwrap()
}

/// `PART: WHAT: DIFFERS` of every finding.
pub fn lines(report: &Report) -> Vec<String> {
    report
        .findings()
        .map(|(part, finding)| format!("{part}: {}: {}", finding.what, finding.differs))
        .collect()
}

pub fn blob(host: &Host, content: &[u8]) -> PathBuf {
    host.machine.path(&format!("{STORE}/blobs/sha256/{}", Digest::of(content).hex()))
}

pub fn flip_a_byte(path: &Path) {
    let mut bytes = fs_err::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    fs_err::write(path, bytes).unwrap();
}

/// The file of the record of the only bundle in the store.
pub fn record(host: &Host, name: &str) -> PathBuf {
    let bundles = host.machine.path(&format!("{STORE}/bundles"));
    let only = fs_err::read_dir(bundles).unwrap().next().unwrap().unwrap().path();
    only.join(name)
}

/// Every file with what tells whether it was changed.
fn tree(directory: &Path, found: &mut BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>) {
    for entry in fs_err::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let metadata = fs_err::symlink_metadata(&path).unwrap();
        let content = if kind.is_file() { fs_err::read(&path).unwrap() } else { Vec::new() };
        found.insert(path.clone(), (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
        if kind.is_dir() {
            tree(&path, found);
        }
    }
}

fn all(host: &Host) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    tree(&host.machine.path("/"), &mut found);
    found
}

#[test]
fn a_node_is_as_its_bundle_says_and_stays_untouched() {
    let host = Host::new();
    host.install(false).unwrap();
    let before = all(&host);
    for context in [host.context(false), from_store(&host)] {
        let report = check(&context);
        assert_eq!(lines(&report), [""; 0]);
        let parts: Vec<_> = report.parts.iter().map(|part| part.name).collect();
        assert_eq!(parts, ["signature", "steps", "blobs"]);
        let manifest = context.origin.manifest();
        assert_eq!(report.parts[2].checked, manifest.blobs.len() as u64);
        assert_eq!(report.parts[2].bytes, Some(manifest.total_size()));
        report.into_result().unwrap();
        let quick = verify::verify(&context, Depth::Quick, &Silent).unwrap();
        assert_eq!(quick.parts.len(), 2);
    }
    assert!(all(&host) == before, "verify changes nothing");
}

#[test]
fn a_bare_machine_differs_in_everything_and_stays_bare() {
    let host = Host::new();
    let before = all(&host);
    let report = check(&host.context(false));
    let found = lines(&report).join("\n").replace(&host.port.to_string(), "PORT");
    insta::assert_snapshot!(found);
    assert!(all(&host) == before, "verify changes nothing");
    let error = report.into_result().unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_DAMAGED, 4));
    assert!(error.help().unwrap().contains("airlock node repair"));
}

#[test]
fn damaged_and_missing_blobs_are_named_with_who_needs_them() {
    let host = Host::new();
    host.install(false).unwrap();
    let (program, file) = (b"#!/bin/sh\necho the airlock program\n", b"a plain file\n");
    flip_a_byte(&blob(&host, program));
    fs_err::remove_file(blob(&host, file)).unwrap();
    let before = all(&host);
    let report = check(&from_store(&host));
    assert!(all(&host) == before, "verify changes nothing");
    let found = lines(&report).join("\n");
    let damaged = format!("blob sha256:{}", Digest::of(program).hex());
    assert!(
        found.contains(&format!("blobs: {damaged}: ")) && found.contains("installer:linux/amd64"),
        "{found}"
    );
    assert!(found.contains(&format!("blob {}: is missing; needed by", Digest::of(file))), "{found}");
    assert_eq!(report.damage.len(), 2);
    assert_eq!(report.into_result().unwrap_err().kind().exit_status(), 4);
}

#[test]
fn damage_of_the_record_of_the_bundle_is_found() {
    for (name, part) in [
        ("manifest.json", "the record of a bundle"),
        ("signature-1", "is not believed"),
        ("names.json", "names.json` is damaged"),
        ("imported", "is not complete"),
    ] {
        let host = Host::new();
        host.install(false).unwrap();
        let context = from_store(&host);
        let path = record(&host, name);
        match name {
            "imported" => fs_err::remove_file(&path).unwrap(),
            _ => fs_err::write(&path, &fs_err::read(&path).unwrap()[..40]).unwrap(),
        }
        let report = check(&context);
        let found = lines(&report);
        assert!(
            found.len() == 1 && found[0].starts_with("signature: ") && found[0].contains(part),
            "{found:?}"
        );
    }
}

#[test]
fn a_name_that_the_store_has_lost_is_found() {
    let host = Host::new();
    host.install(false).unwrap();
    let context = from_store(&host);
    let names = host.machine.path(&format!("{STORE}/names/docker.io/library/golden/_tags/1.0"));
    fs_err::remove_file(names).unwrap();
    let found = lines(&check(&context));
    assert_eq!(
        found[0],
        "signature: /var/lib/airlock/store: the store does not know `docker.io/library/golden:1.0` any more"
    );
    assert!(found[1].contains("images"), "{found:?}");
}

#[test]
fn in_place_the_volumes_are_read() {
    let host = Host::new();
    host.install(true).unwrap();
    assert_eq!(lines(&check(&host.context(true))), [""; 0]);
    let volume = fs_err::read_dir(host.medium()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs_err::read(&volume).unwrap();
    let program = bytes.windows(9).position(|window| window == b"stand-in\n").unwrap();
    bytes[program] ^= 1;
    fs_err::write(&volume, bytes).unwrap();
    let report = check(&host.context(true));
    let found = lines(&report).join("\n");
    assert!(found.contains("blobs: ") && found.contains("at byte") && found.contains("k3s"), "{found}");
    assert!(report.findings().any(|(_, finding)| finding.repair.contains("--in-place=false")));
}

#[test]
fn revoked_signers_are_not_believed_any_more() {
    use airlock::trust::signature::Signer as _;
    let host = Host::new();
    host.install(false).unwrap();
    let key = super::bundles::test_key().public_key().to_line();
    fs_err::write(host.machine.path("/etc/airlock/revoked_keys"), key).unwrap();
    let found = lines(&check(&host.context(false)));
    assert!(found.len() == 1 && found[0].contains("revoked"), "{found:?}");
}

#[test]
fn images_of_another_node_are_fetched_and_hashed() {
    let (server, agent) = (Host::new(), Host::new());
    server.install(false).unwrap();
    let context = super::remote::context(&server, &agent);
    let steps = airlock::node::install::steps(&context).unwrap();
    airlock::node::run::run("install", &steps, &agent.machine, &Silent).unwrap();
    let look = |depth| verify::verify(&context, depth, &Silent).unwrap();
    let layer = layer(&context);
    let before = all(&agent);
    let deep = look(Depth::Deep);
    assert_eq!(lines(&deep), [""; 0]);
    let part = &deep.parts[2];
    assert_eq!((part.name, part.checked), ("images", 1));
    assert!(part.bytes > look(Depth::Usual).parts[2].bytes, "layers only if that is wanted");
    assert_eq!(look(Depth::Quick).parts.len(), 2);
    flip_a_byte(&blob(&server, &layer));
    assert_eq!(lines(&look(Depth::Usual)), [""; 0], "the registry has a blob of that name");
    let found = lines(&look(Depth::Deep));
    assert!(found[0].starts_with("images: docker.io/library/golden:1.0: https://127.0.0.1:"), "{found:?}");
    assert_eq!(look(Depth::Deep).into_result().unwrap_err().kind().exit_status(), 4);
    assert!(all(&agent) == before, "verify changes nothing");
    server.systemd.kill("airlock-registry.service");
    let silent = look(Depth::Usual);
    assert!(
        silent.findings().any(|(part, finding)| part == "images" && finding.unreadable),
        "{:?}",
        lines(&silent)
    );
}

/// The content of the last layer of the only image.
fn layer(context: &Context) -> Vec<u8> {
    use std::io::Read as _;
    let manifest = context.origin.manifest();
    let image =
        airlock::node::registry::images::Images::of(manifest, airlock::oci::platform::Platform::LinuxAmd64);
    let read = |digest| {
        let mut bytes = Vec::new();
        context.origin.open(digest).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    };
    let document = read(image[0].platforms[0].manifest);
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let digest = document["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap();
    read(digest.parse().unwrap())
}
