//! From a bare machine to a node, and what later runs find to do.

use airlock::error::codes;
use airlock::node::journal::{Entry, Journal};
use airlock::node::plan::Plan;

use super::machine::{Host, contents};

/// The steps that change something on a bare machine; the others look whether that was enough.
const CHANGING: [&str; 11] = [
    "settings",
    "signers",
    "airlock-program",
    "store",
    "registry",
    "registry-ca",
    "files",
    "k3s-program",
    "k3s-configuration",
    "k3s-service",
    "serial-floor",
];

fn lines(plan: &Plan, port: u16) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        text += &format!("{}: {}\n", step.name, step.title);
        step.changes.iter().for_each(|change| text += &format!("  {change}\n"));
    }
    text.replace(&port.to_string(), "PORT")
}

#[test]
fn a_bare_machine_becomes_a_node_and_stays_one() {
    let host = Host::new();
    let plan = host.plan(false);
    insta::assert_snapshot!(lines(&plan, host.port));
    let done = host.install(false).unwrap();
    assert_eq!(done.changed, CHANGING);
    assert_eq!(lines(&host.plan(false), host.port).matches("  ").count(), 0, "{:?}", host.plan(false));
    let calls = host.systemd.calls().len();
    assert!(host.install(false).unwrap().changed.is_empty());
    let later = host.systemd.calls()[calls..].to_vec();
    assert!(later.iter().all(|call| call.contains(" show ") || call.contains(" get node ")), "{later:?}");
    assert!(
        host.read("/etc/rancher/k3s/registries.yaml").contains(&format!("https://127.0.0.1:{}", host.port))
    );
    assert!(host.read("/etc/airlock/registry-ca.crt").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(host.read("/var/lib/airlock/state.json").contains("\"serial\": 7"));
    assert!(matches!(Journal::read(&host.machine).unwrap().last(), Some(Entry::Finished)));
}

#[test]
fn in_place_nothing_of_the_bundle_is_copied() {
    let host = Host::new();
    host.install(true).unwrap();
    assert!(host.plan(true).is_empty(), "{:?}", host.plan(true));
    let blobs = host.machine.path("/var/lib/airlock/store/blobs/sha256");
    assert_eq!(fs_err::read_dir(blobs).map_or(0, |entries| entries.count()), 0);
    // A later run copies after all, and the registry serves the copy.
    let done = host.install(false).unwrap();
    assert_eq!(done.changed, ["settings", "store", "registry"]);
    assert!(host.plan(false).is_empty());
}

#[test]
fn another_bundle_in_the_same_place_is_served_from_then_on() {
    let host = Host::new();
    host.install(true).unwrap();
    fs_err::remove_dir_all(host.medium()).unwrap();
    fs_err::create_dir(host.medium()).unwrap();
    let mut newer = contents();
    newer.manifest.serial += 1;
    newer.signed(None).write_to(&host.medium());
    assert_eq!(host.install(true).unwrap().changed, ["registry", "serial-floor"]);
    assert!(host.plan(true).is_empty(), "{:?}", host.plan(true));
}

#[test]
fn what_somebody_changes_is_put_right_and_nothing_else() {
    let host = Host::new();
    host.install(false).unwrap();
    let write = |path: &str| fs_err::write(host.machine.path(path), "changed\n").unwrap();
    for (path, steps) in [
        ("/usr/local/bin/airlock", &["airlock-program"][..]),
        ("/etc/airlock/registry-ca.crt", &["registry-ca"]),
        ("/etc/rancher/k3s/registries.yaml", &["k3s-configuration"]),
        ("/etc/systemd/system/airlock-registry.service", &["registry"]),
        ("/etc/systemd/system/airlock-registry.socket", &["registry"]),
    ] {
        write(path);
        assert_eq!(host.install(false).unwrap().changed, steps, "{path}");
        assert!(host.plan(false).is_empty());
    }
}

#[test]
fn an_image_that_the_registry_lacks_is_named_before_k3s_starts() {
    let host = Host::new();
    host.install(false).unwrap();
    let names = host.machine.path("/var/lib/airlock/store/names/docker.io");
    fs_err::rename(&names, names.with_file_name("example.com")).unwrap();
    let error = host.install(false).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::IMAGES_MISSING, 7));
    assert_eq!(error.details()[0], "docker.io/library/golden:1.0: the registry does not have it");
    fs_err::rename(names.with_file_name("example.com"), &names).unwrap();
    host.install(false).unwrap();
}

#[test]
fn a_damaged_state_ends_the_run_before_anything_is_changed() {
    let host = Host::new();
    let path = host.machine.path("/var/lib/airlock/state.json");
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, "{").unwrap();
    let error = host.install(false).unwrap_err();
    assert_eq!(error.code(), codes::NODE_STATE);
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "{");
    assert!(host.machine.metadata("/usr/local/bin/k3s").unwrap().is_none());
}

#[test]
fn damage_on_the_medium_is_told_as_damage() {
    let host = Host::new();
    let volume = fs_err::read_dir(host.medium()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs_err::read(&volume).unwrap();
    let program = bytes.windows(9).position(|window| window == b"stand-in\n").unwrap();
    bytes[program] ^= 1;
    fs_err::write(&volume, bytes).unwrap();
    let error = host.install(true).unwrap_err();
    assert_eq!(error.kind().exit_status(), 4, "{error:?}");
    assert!(host.machine.metadata("/usr/local/bin/k3s").unwrap().is_none(), "nothing damaged gets a name");
}
