//! What comes between: power cuts in the middle of an installation, a second installer, a restart afterwards.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use airlock::node::{journal, lock};
use fs_err as fs;

use crate::install::{INSTALL, install_server, nothing_is_left_to_do};
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// How much of the journal, in lines, an installation that was cut off may write beyond what it found. A whole one
/// has several times as much.
const LINES: [usize; 3] = [12, 20, 30];

/// The same for installers that are killed, one after the other.
const KILLS: [usize; 5] = [4, 8, 12, 12, 12];

/// An installation that goes on beside the test.
fn begin(node: &Node, stick: &Stick) -> Child {
    let mut command = node.command(&[INSTALL, "--trust", &stick.fingerprint, "--yes"]).unwrap();
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until something is so; an installation that has ended by then has not been interrupted.
fn until(installation: &mut Child, condition: impl Fn() -> bool) {
    while !condition() {
        assert!(installation.try_wait().unwrap().is_none(), "it has ended already");
        // Whoever only looks takes a processor away from what is looked at.
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn journal_lines(node: &Node) -> usize {
    let path = node.root().join(journal::PATH.trim_start_matches('/'));
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Any number below `bound`.
fn any(bound: usize) -> usize {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() as usize / 1000 % bound
}

/// Interrupts one installation after the other when its journal has grown by any number of lines below one of `bounds`.
/// The next run has to make all of that good.
#[expect(clippy::print_stderr, reason = "an interruption that was not made good has to be found again")]
fn interrupt(node: &Node, stick: &Stick, bounds: &[usize], hit: impl Fn(&Node, Child)) {
    for lines in bounds.iter().map(|bound| any(*bound)) {
        let mut installation = begin(node, stick);
        let before = journal_lines(node);
        until(&mut installation, || journal_lines(node) > before + lines);
        hit(node, installation);
        eprintln!("it was interrupted after {before} and {lines} lines of the journal");
    }
    install_server(node, stick);
    nothing_is_left_to_do(node);
    node.succeed(&["kubectl", "wait", "--for=condition=Ready", "node/server1", "--timeout=30s"]).unwrap();
    assert_eq!(node.shell("dpkg --audit").unwrap(), "");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn power_cuts_in_the_middle_are_made_good_by_the_next_run() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("power-cuts", Gap::Reject).unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    interrupt(&node, stick, &LINES, |node, mut installation| {
        node.kill_hard().unwrap();
        installation.wait().unwrap();
        node.boot().unwrap();
    });
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_killed_installer_is_simply_started_again() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("kills", Gap::Reject).unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    interrupt(&node, stick, &KILLS, |node, mut installation| {
        // By the name that it has in the lock: it is itself that dies, not what it has started.
        node.shell(&format!("kill -9 $(grep -o '\"pid\":[0-9]*' {} | cut -d : -f 2)", lock::PATH)).unwrap();
        assert!(!installation.wait().unwrap().success());
    });
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_second_installer_is_told_who_is_at_work_and_a_restart_brings_everything_back() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("second", Gap::Reject).unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let mut first = begin(&node, stick);
    let lock = node.root().join(lock::PATH.trim_start_matches('/'));
    until(&mut first, || fs::read(&lock).is_ok_and(|holder| holder.ends_with(b"}")));
    let second = node.run(&[INSTALL, "--trust", &stick.fingerprint, "--yes"]).unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(10), "{said}");
    assert!(
        said.contains("`airlock install` (process ") && said.contains(" is changing this node"),
        "{said}"
    );
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));

    let begun = Instant::now();
    node.reboot().unwrap();
    node.succeed(&["kubectl", "wait", "--for=condition=Ready", "node/server1", "--timeout=60s"]).unwrap();
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let at = |property: &str, unit: &str| -> u64 {
        let shown = node.systemctl(&["show", "--value", "--property", property, unit]).unwrap();
        shown.trim().parse().unwrap()
    };
    let registry = at("ActiveEnterTimestampMonotonic", "airlock-registry");
    let k3s = at("ExecMainStartTimestampMonotonic", "k3s");
    assert!(0 < registry && registry <= k3s, "the registry serves before k3s asks: {registry} {k3s}");
    nothing_is_left_to_do(&node);
}
