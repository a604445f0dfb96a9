//! Whatever steps have made, a reset takes away, and the file system is what it was.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fs_err as fs;

use super::*;
use crate::error::codes;
use crate::node::driver;
use crate::node::journal::Journal;
use crate::node::machine::{Call, Finished, Programs};
use crate::node::resource::{Block, File, Link, Resources};
use crate::node::work::Work;
use crate::progress::Silent;

/// A systemd that knows no units, and networks without anything of ours.
struct Quiet;

impl Programs for Quiet {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let output = match call.program() {
            "systemctl" => "ActiveState=inactive\n",
            "ip" => "[]",
            "iptables-save" | "ip6tables-save" => "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n",
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Finished { status: Some(0), output: output.to_owned(), errors: String::new() })
    }
}

/// Every path below `root` with what it is.
fn snapshot(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = match (metadata.is_dir(), metadata.is_symlink()) {
                (true, _) => "directory".to_owned(),
                (_, true) => fs::read_link(&path).unwrap().display().to_string(),
                _ => String::from_utf8(fs::read(&path).unwrap()).unwrap(),
            };
            let mode = metadata.permissions().mode();
            found.insert(
                path.strip_prefix(root).unwrap().display().to_string(),
                format!("{mode:o} {content}"),
            );
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    found
}

fn host(root: &Path) -> Machine {
    for directory in ["etc", "usr/local/bin", "var/lib", "proc/self"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(root.join("usr/local/bin/k3s"), "an older k3s").unwrap();
    fs::set_permissions(root.join("usr/local/bin/k3s"), std::fs::Permissions::from_mode(0o750)).unwrap();
    Machine::new(root, Arc::new(Quiet))
}

fn install(machine: &Machine, journal: &mut Journal) {
    let step = Resources::new("files", "Write files")
        .with(File { mode: 0o755, ..File::new("/usr/local/bin/k3s", "k3s") })
        .with(Link { path: "/usr/local/bin/kubectl".to_owned(), target: "k3s".to_owned() })
        .with(File::private("/etc/rancher/k3s/token", "secret"))
        .with(Block { path: "/etc/hosts".to_owned(), lines: "10.0.0.1 registry\n".to_owned() });
    let steps: [Box<dyn Step>; 1] = [Box::new(step)];
    driver::execute(&steps, machine, journal, &Silent).unwrap();
    let mut work = Work::new(machine, journal, &Silent, Duration::from_secs(10));
    work.own(Owned::Unit { name: "k3s.service".to_owned() }).unwrap();
    work.own_tree("/var/lib/rancher/k3s").unwrap();
    fs::create_dir_all(machine.path("/var/lib/rancher/k3s/server/db")).unwrap();
    fs::write(machine.path("/var/lib/rancher/k3s/server/db/state"), "state").unwrap();
}

fn reset(machine: &Machine, spared: Spared) -> Reset {
    let reset = Reset::of(machine, spared).unwrap().unwrap();
    let mut journal = Journal::open(machine).unwrap();
    driver::execute(&reset.steps(), machine, &mut journal, &Silent).unwrap();
    reset
}

#[test]
fn nothing_is_left_and_what_was_replaced_is_back() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    let before = snapshot(root.path());
    install(&machine, &mut Journal::open(&machine).unwrap());
    assert!(snapshot(root.path()).len() > before.len() + 5);
    reset(&machine, Spared::default());
    assert_eq!(snapshot(root.path()), before);
    assert!(Reset::of(&machine, Spared::default()).unwrap().is_none(), "airlock has never been here");
}

#[test]
fn data_can_be_spared_and_removed_later() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    let before = snapshot(root.path());
    install(&machine, &mut Journal::open(&machine).unwrap());
    let spared = Spared { data: true, store: false, packages: true };
    let first = reset(&machine, spared);
    assert!(root.path().join("var/lib/rancher/k3s/server/db/state").exists());
    assert!(root.path().join("etc/rancher/k3s/token").exists(), "the data are encrypted with it");
    assert!(!root.path().join("usr/local/bin/kubectl").exists());
    let kept: Vec<_> = first.kept(&machine).unwrap().into_iter().map(|kept| kept.what).collect();
    assert_eq!(kept, ["/etc/rancher/k3s/token", "/var/lib/rancher/k3s"]);
    let again = Reset::of(&machine, spared).unwrap().unwrap();
    assert!(again.plan(&machine).unwrap().is_empty(), "{:?}", again.plan(&machine));
    reset(&machine, Spared::default());
    assert_eq!(snapshot(root.path()), before);
}

#[test]
fn a_directory_that_others_have_filled_stays_and_is_told() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    install(&machine, &mut Journal::open(&machine).unwrap());
    fs::write(root.path().join("etc/rancher/notes"), "of the site").unwrap();
    let reset = reset(&machine, Spared::default());
    let filled = reset.filled_directories(&machine).unwrap();
    assert_eq!(filled.iter().map(|kept| kept.what.as_str()).collect::<Vec<_>>(), ["/etc/rancher"]);
    assert!(!root.path().join("etc/rancher/k3s").exists() && !root.path().join("var/lib/airlock").exists());
}

#[test]
fn a_data_directory_that_was_there_before_stays_and_is_told() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    fs::create_dir_all(root.path().join("var/lib/rancher/k3s")).unwrap();
    install(&machine, &mut Journal::open(&machine).unwrap());
    let before = Reset::of(&machine, Spared::default()).unwrap().unwrap().kept(&machine).unwrap();
    assert_eq!((before[0].what.as_str(), before.len()), ("/var/lib/rancher/k3s", 1));
    assert_eq!(before[0].remove.as_deref(), Some("find /var/lib/rancher/k3s -mindepth 1 -delete"));
    reset(&machine, Spared::default());
    assert!(root.path().join("var/lib/rancher/k3s/server/db/state").exists());
}

#[test]
fn what_comes_again_is_told_at_the_end_and_the_journal_stays() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    install(&machine, &mut Journal::open(&machine).unwrap());
    let reset = Reset::of(&machine, Spared::default()).unwrap().unwrap();
    let mut steps = reset.steps();
    // Somebody puts a file back between the steps and their proof.
    let last = steps.pop().unwrap();
    let mut journal = Journal::open(&machine).unwrap();
    driver::execute(&steps, &machine, &mut journal, &Silent).unwrap();
    fs::create_dir_all(root.path().join("etc/rancher/k3s")).unwrap();
    fs::write(root.path().join("etc/rancher/k3s/token"), "again").unwrap();
    let error = driver::execute(&[last], &machine, &mut journal, &Silent).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::RESET_LEFTOVERS, 7));
    assert_eq!(error.details()[0], "still to do: remove /etc/rancher/k3s/token");
    assert!(root.path().join("var/lib/airlock/journal").exists());
}

#[test]
fn a_tree_with_something_mounted_in_it_is_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    install(&machine, &mut Journal::open(&machine).unwrap());
    let line = "36 35 98:0 / /var/lib/rancher/k3s/server/db rw shared:1 - ext3 /dev/root rw\n";
    fs::write(root.path().join("proc/self/mountinfo"), line).unwrap();
    let error = removal::tree(&machine, "/var/lib/rancher/k3s").unwrap_err();
    assert_eq!(error.code(), codes::NODE_STILL_MOUNTED);
    assert!(root.path().join("var/lib/rancher/k3s/server/db/state").exists());
    // One that is a mount itself is emptied, and that is all that can be done.
    fs::write(root.path().join("proc/self/mountinfo"), line.replace("/server/db", "")).unwrap();
    removal::tree(&machine, "/var/lib/rancher/k3s").unwrap();
    assert!(root.path().join("var/lib/rancher/k3s").exists());
    assert!(!removal::is_left(&machine, "/var/lib/rancher/k3s").unwrap());
}

#[test]
fn a_lost_original_is_an_error_with_the_way_out() {
    let root = tempfile::tempdir().unwrap();
    let machine = host(root.path());
    install(&machine, &mut Journal::open(&machine).unwrap());
    fs::remove_dir_all(root.path().join("var/lib/airlock/replaced")).unwrap();
    let steps = Reset::of(&machine, Spared::default()).unwrap().unwrap().steps();
    let mut journal = Journal::open(&machine).unwrap();
    let error = driver::execute(&steps, &machine, &mut journal, &Silent).unwrap_err();
    assert_eq!(error.code(), codes::NODE_ORIGINAL_MISSING);
    // What the help says is enough.
    fs::remove_file(root.path().join("usr/local/bin/k3s")).unwrap();
    driver::execute(&steps, &machine, &mut journal, &Silent).unwrap();
    assert!(!root.path().join("etc/rancher").exists());
}
