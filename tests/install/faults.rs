//! System calls of an installation fail because the disk is full or broken. It stops and says so, nothing half has a
//! final name, and when the disk is well the next run brings everything about.

use super::aftermath::{is_whole, leftovers};
use super::child::{Ending, Failure};
use super::machine::Host;
use super::strace::{self, At};

/// What a disk can fail at. A name that this architecture does not have is ignored (`?`).
const CALLS: [&str; 16] = [
    "openat",
    "write",
    "pwrite64",
    "?sendfile",
    "copy_file_range",
    "fsync",
    "fdatasync",
    "ftruncate",
    "fallocate",
    "?rename",
    "renameat2",
    "?mkdir",
    "mkdirat",
    "?symlink",
    "symlinkat",
    "?link",
];

/// Faults in ordinary tests.
const SAMPLE: usize = 4;

/// A disk that fails.
#[derive(Clone, Copy, Debug)]
struct Fault {
    /// As strace names it.
    number: &'static str,
    /// What whoever reads about it has to find: one of these.
    words: [&'static str; 3],
    /// Exit statuses; programs that fail have that of a failed program.
    statuses: [u8; 2],
}

const FULL: Fault = Fault {
    number: "ENOSPC",
    words: ["its disk is full", "disk of the store is full", "No space left"],
    statuses: [7, 7],
};
const BROKEN: Fault =
    Fault { number: "EIO", words: ["its disk fails", "dmesg", "Input/output error"], statuses: [7, 11] };

/// What came of a fault.
enum Outcome {
    /// The call was not made this time, or before the installation had begun.
    Missed,
    Stopped,
    WentOn,
    /// Something is wrong with that.
    Wrong(String),
}

fn outcome(at: &At, fault: Fault) -> Outcome {
    let (directory, ending, line) = strace::hinder(at, &format!("error={}", fault.number));
    // Threads take turns: another call may have had that number this time.
    let root = directory.path().join("root").display().to_string();
    let Some(line) = line.filter(|line| line.contains(&root)) else { return Outcome::Missed };
    let told = match &ending {
        Ending::NeverBegun => return Outcome::Missed,
        // Whoever only looks, or tidies up, goes on without.
        Ending::Done | Ending::Restart(_) => None,
        Ending::Failed(failure) => complaint_about(failure, fault),
        Ending::Killed => Some("it has died".to_owned()),
    };
    let whole = is_whole(directory.path()).err();
    let (host, _) = Host::again(directory.path()).install_to_the_end();
    let plan = host.plan(false);
    let open = (!plan.is_empty()).then(|| format!("does not converge: {plan:?}"));
    let left = leftovers(&host.machine.path("/"));
    let left = (!left.is_empty()).then(|| format!("leaves {left:?}"));
    let all: Vec<String> = [told, whole, open, left].into_iter().flatten().collect();
    match (all.is_empty(), &ending) {
        (true, Ending::Failed(_)) => Outcome::Stopped,
        (true, _) => Outcome::WentOn,
        (false, _) => {
            Outcome::Wrong(format!("{} {at:?} {line}\n  {}\n  {ending:?}", fault.number, all.join("\n  ")))
        }
    }
}

fn complaint_about(failure: &Failure, fault: Fault) -> Option<String> {
    let Failure { status, text, has_help } = failure;
    // The lock and the journal are not of a step, nor is the preparation of a restart.
    let outside = ["`/var/lib/airlock/lock`", "`/var/lib/airlock/journal`", "while the restart was prepared"];
    let is_named = text.contains("in step ") || outside.iter().any(|words| text.contains(words));
    let has_words = fault.words.iter().any(|words| text.contains(words));
    let complaints = [
        (!fault.statuses.contains(status)).then(|| format!("exit status {status}")),
        (!is_named).then(|| "neither step nor file is named".to_owned()),
        (!has_words).then(|| "it does not say that the disk is to blame".to_owned()),
        (!has_help).then(|| "there is no help".to_owned()),
    ];
    let all: Vec<String> = complaints.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Nobody opens a file for reading and is told that the disk is full.
fn is_possible(at: &At, fault: Fault) -> bool {
    at.call != "openat" || fault.number == BROKEN.number
}

/// Lets one call after the other fail; what is wrong with what comes of that.
fn complaints(calls: &[At], faults: &[Fault]) -> Vec<String> {
    let (mut stopped, mut went_on, mut wrong) = (0, 0, Vec::new());
    for fault in faults {
        for at in calls.iter().filter(|at| is_possible(at, *fault)) {
            match outcome(at, *fault) {
                Outcome::Missed => {}
                Outcome::Stopped => stopped += 1,
                Outcome::WentOn => went_on += 1,
                Outcome::Wrong(complaint) => {
                    eprintln!("{complaint}");
                    wrong.push(complaint);
                }
            }
        }
    }
    eprintln!("{stopped} faults have stopped an installation, {went_on} have not");
    assert!(stopped + went_on + wrong.len() > 0, "no fault has happened");
    wrong
}

#[test]
fn some_faults_of_the_disk_are_told_and_made_good() {
    if !strace::works() {
        return;
    }
    let calls = strace::sample(&strace::calls_of_an_installation(&CALLS), SAMPLE);
    assert_eq!(complaints(&calls, &[FULL, BROKEN]), [] as [String; 0]);
}

#[test]
#[ignore = "takes long: a full and a broken disk at every system call; started by scripts/bench"]
fn every_fault_of_the_disk_is_told_and_made_good() {
    if !strace::works() {
        return;
    }
    let calls = strace::asked_for(strace::calls_of_an_installation(&CALLS));
    eprintln!("{} calls", calls.len());
    assert_eq!(complaints(&calls, &[FULL, BROKEN]), [] as [String; 0]);
}
