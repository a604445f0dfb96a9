//! Kills an installation at its system calls, one after the other, as a power cut would: services are gone, files
//! are what they were. The next run has to bring everything about and leave nothing behind.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use airlock::node::journal::{Entry, Journal};
use tempfile::TempDir;

use super::machine::Host;

/// What changes a file system. A name that this architecture does not have is ignored (`?`).
const CALLS: [&str; 13] = [
    "?rename",
    "?renameat",
    "renameat2",
    "fsync",
    "fdatasync",
    "?mkdir",
    "mkdirat",
    "?unlink",
    "unlinkat",
    "?symlink",
    "symlinkat",
    "?link",
    "linkat",
];

/// Where the installation that is killed finds its machine.
const ROOT: &str = "AIRLOCK_TEST_MACHINE";

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "started by the tests below"]
#[expect(clippy::disallowed_methods, reason = "a test tells its child by a variable where to work")]
fn installation() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let host = Host::again(Path::new(&root));
    host.install(false).unwrap();
}

/// Installs on a new machine and is killed at the `number`th `call`; whether there were as many.
fn killed_at(call: &str, number: usize) -> Option<TempDir> {
    let directory = Host::new().into_directory();
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq", "-e", "signal=none", "-e", &format!("trace={call}"), "-o", "/dev/null"]);
    command.args(["-e", &format!("inject={call}:signal=KILL:when={number}")]);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "kill::installation", "--ignored", "--test-threads", "1"]);
    let status = command.env(ROOT, directory.path()).stdout(Stdio::null()).status().unwrap();
    (!status.success()).then_some(directory)
}

/// The step that was interrupted, if one was.
fn interrupted(host: &Host) -> Option<String> {
    let mut step = None;
    for entry in Journal::read(&host.machine).unwrap() {
        match entry {
            Entry::Begin { step: begun } => step = Some(begun),
            Entry::End { .. } => step = None,
            _ => {}
        }
    }
    step
}

fn is_made_good(call: &str, number: usize, host: &Host) {
    let done = host.install(false).unwrap_or_else(|error| panic!("{call} {number}: {error:?}"));
    assert!(!done.changed.is_empty(), "services are gone after a power cut");
    let plan = host.plan(false);
    assert!(plan.is_empty(), "{call} {number}: {plan:?}");
    let left = leftovers(&host.machine.path("/"));
    assert!(left.is_empty(), "{call} {number}: {left:?}");
}

/// Files that only exist while something is written.
fn leftovers(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".airlock") || name.ends_with(".partial") {
            found.push(entry.path().display().to_string());
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(leftovers(&entry.path()));
        }
    }
    found
}

fn has_strace() -> bool {
    let works = Command::new("strace").args(["-qqq", "-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: there is no strace, or it may not trace");
    }
    works
}

/// Kills at every `stride`th of these system calls; the steps that were interrupted.
fn kill_at(calls: &[&str], stride: usize) -> BTreeSet<String> {
    let mut steps = BTreeSet::new();
    let mut kills = 0;
    for call in calls {
        for number in (1..).step_by(stride) {
            let Some(directory) = killed_at(call, number) else { break };
            kills += 1;
            let host = Host::booted(directory.path());
            steps.extend(interrupted(&host));
            is_made_good(call, number, &host);
        }
    }
    eprintln!("killed {kills} times, within {steps:?}");
    assert!(kills > 0, "nobody was killed");
    steps
}

#[test]
fn a_few_kills_are_made_good() {
    if has_strace() {
        kill_at(&["fsync", "fdatasync"], 25);
    }
}

#[test]
#[ignore = "takes minutes: kills at every system call that changes a file system"]
fn every_kill_in_every_step_is_made_good() {
    if !has_strace() {
        return;
    }
    let interrupted = kill_at(&CALLS, 1);
    let host = Host::new();
    // Those that only wait or look write nothing but the journal, and that only where they find something.
    let changing: BTreeSet<String> =
        host.install(false).unwrap().changed.into_iter().map(str::to_owned).collect();
    let spared: Vec<_> = changing.difference(&interrupted).collect();
    assert!(spared.is_empty(), "no kill has hit {spared:?}");
}
