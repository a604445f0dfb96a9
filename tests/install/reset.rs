//! What an installation does to a machine, undone: the tree is what it was, byte for byte.

use std::collections::BTreeSet;

use airlock::node::machine::Machine;
use airlock::node::plan::Plan;
use airlock::node::reset::{Reset, Spared};
use airlock::node::run;
use airlock::progress::Silent;
use fs_err as fs;

use super::machine::Host;
use super::snapshot::{Difference, Snapshot};

/// Directories of every machine, and files that are in the way of ours.
const BEFORE: [(&str, &str); 5] = [
    ("etc/hosts", "127.0.0.1 localhost\n"),
    ("etc/rancher/k3s/registries.yaml", "mirrors: {}\n"),
    ("etc/systemd/system/of-the-site.service", "[Unit]\n"),
    ("usr/local/bin/airlock", "an older program"),
    ("var/lib/misc/file", "of the site"),
];

/// Where the kernel, systemd and the other programs of this machine remember what they are.
const OF_THE_STAND_IN: [&str; 4] = ["/proc", "/run/systemd", "/state", "/sys"];

/// A machine with files of its own.
fn host() -> Host {
    of_others(Host::new())
}

/// Puts files of others on a machine.
pub fn of_others(host: Host) -> Host {
    for directory in ["run", "var/log"] {
        fs::create_dir_all(host.machine.path(directory)).unwrap();
    }
    for (path, content) in BEFORE {
        let path = host.machine.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    }
    host
}

pub fn snapshot(machine: &Machine) -> Snapshot {
    Snapshot::of(&machine.path("/")).unwrap()
}

/// Resets a machine as the command does; nothing if there is nothing to reset.
pub fn reset(machine: &Machine, spared: Spared) -> Option<Reset> {
    let reset = Reset::of(machine, spared).unwrap()?;
    run::run("reset", &reset.steps(), machine, &Silent).unwrap();
    Some(reset)
}

/// How many steps have been done before and behind every one that changes something.
fn boundaries(plan: &Plan) -> BTreeSet<usize> {
    let changing = plan.steps.iter().enumerate().filter(|(_, step)| !step.changes.is_empty());
    changing.flat_map(|(index, _)| [index, index + 1]).collect()
}

/// What of others was changed.
pub fn difference(before: &Snapshot, machine: &Machine) -> Difference {
    before.diff(&snapshot(machine)).without(&OF_THE_STAND_IN)
}

#[track_caller]
fn assert_as_before(before: &Snapshot, machine: &Machine, when: &str) {
    let difference = difference(before, machine);
    assert!(difference.is_empty(), "{when}:\n{difference}");
}

#[test]
fn nothing_is_left_of_an_installation() {
    let host = host();
    let before = snapshot(&host.machine);
    host.install(false).unwrap();
    let plan = Reset::of(&host.machine, Spared::default()).unwrap().unwrap().plan(&host.machine).unwrap();
    let lines = plan.steps.iter().flat_map(|step| &step.changes).map(|change| format!("{change}\n"));
    insta::assert_snapshot!(lines.collect::<String>());
    reset(&host.machine, Spared::default()).unwrap();
    assert_as_before(&before, &host.machine, "after the reset");
    assert!(reset(&host.machine, Spared::default()).is_none(), "airlock has never been here");
    host.install(false).unwrap();
    reset(&host.machine, Spared::default()).unwrap();
    assert_as_before(&before, &host.machine, "after another installation");
}

#[test]
fn what_was_spared_serves_the_next_installation_and_goes_with_the_next_reset() {
    let host = host();
    let before = snapshot(&host.machine);
    host.install(false).unwrap();
    let token = host.read("/etc/rancher/k3s/token");
    let spared = Spared { data: true, store: true, packages: true };
    let first = reset(&host.machine, spared).unwrap();
    let kept: Vec<_> = first.kept(&host.machine).unwrap().into_iter().map(|kept| kept.what).collect();
    let expected = [
        "/var/lib/airlock/settings.json",
        "/var/lib/airlock/store",
        "/etc/rancher/k3s/token",
        "/etc/rancher/node",
        "/var/lib/rancher/k3s",
    ];
    assert_eq!(kept, expected);
    let left = before.diff(&snapshot(&host.machine)).without(&["/var/lib/airlock/store"]).to_string();
    for path in
        ["/usr/local/bin/k3s", "/etc/airlock", "/var/lib/kubelet", "/var/lib/airlock/registry", "/run/k3s"]
    {
        assert!(!left.contains(path), "{path} is still there:\n{left}");
    }
    let done = host.install(false).unwrap();
    assert!(!done.changed.contains(&"store") && !done.changed.contains(&"settings"), "{:?}", done.changed);
    assert_eq!(host.read("/etc/rancher/k3s/token"), token, "the data could not be read with another one");
    reset(&host.machine, Spared::default()).unwrap();
    assert_as_before(&before, &host.machine, "after the second reset");
}

#[test]
fn who_looks_at_a_half_installed_machine_leaves_nothing_behind() {
    for count in boundaries(&host().plan(false)) {
        let host = host();
        let before = snapshot(&host.machine);
        run::run("install", &host.steps(false)[..count], &host.machine, &Silent).unwrap();
        let between = snapshot(&host.machine);
        host.plan(false);
        drop(Reset::of(&host.machine, Spared::default()).unwrap());
        let difference = difference(&between, &host.machine);
        assert!(difference.is_empty(), "after {count} steps of the installation:\n{difference}");
        host.install(false).unwrap();
        reset(&host.machine, Spared::default()).unwrap();
        assert_as_before(
            &before,
            &host.machine,
            &format!("with an installation in two parts, {count} steps first"),
        );
    }
}

#[test]
fn a_half_installed_machine_is_reset_as_well() {
    for count in boundaries(&host().plan(false)) {
        let host = host();
        let before = snapshot(&host.machine);
        run::run("install", &host.steps(false)[..count], &host.machine, &Silent).unwrap();
        reset(&host.machine, Spared::default());
        assert_as_before(&before, &host.machine, &format!("after {count} steps of the installation"));
    }
}

#[test]
fn a_reset_that_was_interrupted_between_steps_is_run_again() {
    let installed = host();
    installed.install(false).unwrap();
    let whole = Reset::of(&installed.machine, Spared::default()).unwrap().unwrap();
    for count in boundaries(&whole.plan(&installed.machine).unwrap()) {
        let host = host();
        let before = snapshot(&host.machine);
        host.install(false).unwrap();
        let begun = Reset::of(&host.machine, Spared::default()).unwrap().unwrap();
        run::run("reset", &begun.steps()[..count], &host.machine, &Silent).unwrap();
        reset(&host.machine, Spared::default());
        assert_as_before(&before, &host.machine, &format!("after {count} steps of the reset"));
    }
}
