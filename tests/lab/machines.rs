//! Nodes boot, lose power, come back with their disk, and leave nothing when they are gone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};

/// A service that notes when it was started and then waits.
const UNIT: &str = "[Service]\nExecStart=/bin/sh -c 'date >> /var/lib/starts; exec sleep infinity'\n\
    [Install]\nWantedBy=multi-user.target\n";

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_node_keeps_its_disk_through_a_power_cut_and_a_reboot() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("power").unwrap();
    let node = lab.node("server1", Release::Bookworm).unwrap();
    assert_eq!(node.systemctl(&["is-system-running"]).unwrap(), "running\n");
    assert_eq!(node.succeed(&["hostname"]).unwrap(), "server1\n");
    let local = tempfile::tempdir().unwrap();
    fs::write(local.path().join("unit"), UNIT).unwrap();
    node.copy_in(&local.path().join("unit"), "/etc/systemd/system/waits.service").unwrap();
    node.systemctl(&["enable", "--now", "waits"]).unwrap();

    node.kill_hard().unwrap();
    assert!(!node.is_running().unwrap());
    assert!(node.run(&["true"]).is_err());
    let begun = Instant::now();
    node.boot().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "booting took {:?}", begun.elapsed());
    node.systemctl(&["is-active", "waits"]).unwrap();
    node.reboot().unwrap();
    node.systemctl(&["is-active", "waits"]).unwrap();
    node.copy_out("/var/lib/starts", &local.path().join("starts")).unwrap();
    assert_eq!(fs::read_to_string(local.path().join("starts")).unwrap().lines().count(), 3);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_snapshot_shows_what_was_changed_and_nothing_else() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("snapshot").unwrap();
    let node = lab.node("server1", Release::Bookworm).unwrap();
    let before = node.snapshot().unwrap();
    node.shell("mkdir /opt/new && echo 1 > /opt/new/file && chmod 600 /etc/hosts && rm /etc/issue").unwrap();
    let difference = before.diff(&node.snapshot().unwrap()).without(&["/var/log", "/var/lib/systemd"]);
    let shown = difference.to_string();
    let heads: Vec<_> = shown.lines().filter_map(|line| line.split(':').next()).collect();
    assert_eq!(heads, ["~ /etc/hosts", "- /etc/issue", "+ /opt/new", "+ /opt/new/file"], "{shown}");
    node.shell("rm -r /opt/new").unwrap();
    assert!(fs::metadata(node.root().join("etc/hosts")).unwrap().permissions().mode() & 0o777 == 0o600);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nothing_is_left_of_a_lab_and_others_live_on() {
    if !is_possible() {
        return;
    }
    let (kept, gone) = (Lab::new("kept").unwrap(), Lab::new("gone").unwrap());
    let survivor = kept.node("node", Release::Bookworm).unwrap();
    let node = gone.node("node", Release::Bookworm).unwrap();
    // The same address in both: they do not share a network.
    assert_eq!(survivor.address(), node.address());
    let mark = format!("airlock-gone-{}", std::process::id());
    assert!(traces(&mark).len() >= 4, "{:?}", traces(&mark));
    drop(gone);
    assert_eq!(traces(&mark), [] as [String; 0]);
    assert!(survivor.is_running().unwrap());
    survivor.succeed(&["true"]).unwrap();
}

/// Where the name of a lab shows on this machine: processes, mounts, network namespaces, control groups, files.
fn traces(mark: &str) -> Vec<String> {
    let mut traces = Vec::new();
    let lab = mark.strip_prefix("airlock-").unwrap();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        traces.push(String::from_utf8_lossy(&arguments).into_owned());
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    traces.extend(mounts.lines().filter(|line| line.contains(&format!("/{lab}/"))).map(|_| mark.to_owned()));
    let namespaces = Command::new("ip").args(["netns", "list"]).output().unwrap();
    traces.extend(String::from_utf8_lossy(&namespaces.stdout).lines().map(str::to_owned));
    for hierarchy in
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/run/systemd/nspawn"]
    {
        if Path::new(hierarchy).is_dir() {
            traces.extend(names(Path::new(hierarchy)));
        }
    }
    traces.retain(|trace| trace.contains(mark));
    traces
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().flatten().map(|entry| entry.path().display().to_string()).collect()
}
