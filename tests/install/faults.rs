//! System calls of a command that changes a node fail because the disk is full or broken. It stops and says so, nothing
//! half has a final name, and when the disk is well the next run brings everything about.

use std::collections::BTreeSet;

use airlock::error::codes;

use super::aftermath::is_whole;
use super::child::{Ending, Failure, Task};
use super::scenario::{INSTALLATION, REPAIRING, RESETTING, Scenario, WITH_SITE};
use super::strace::{self, At};

/// What a disk can fail at. A name that this architecture does not have is ignored (`?`).
const CALLS: [&str; 18] = [
    "openat",
    "read",
    "pread64",
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

/// How many calls of a step may be missed in ordinary tests, one after the other.
const TRIES: usize = 5;

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

/// The exit status of a repair that has left something.
const PARTIAL: u8 = 9;

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

fn outcome(scenario: &Scenario, at: &At, fault: Fault) -> Outcome {
    let (ground, ending, line) = strace::hinder(scenario, at, &format!("error={}", fault.number));
    // Threads take turns: another call may have had that number this time.
    let Some(line) = line else { return Outcome::Missed };
    let told = match &ending {
        Ending::NeverBegun => return Outcome::Missed,
        // Whoever only looks, or tidies up, goes on without.
        Ending::Done | Ending::Restart(_) => None,
        Ending::Failed(failure) => complaint_about(failure, fault, scenario.task, &line),
        Ending::Killed | Ending::Panicked(_) => Some("it has died".to_owned()),
    };
    let whole = is_whole(scenario, ground.path()).err();
    let open = (scenario.finish)(ground.path());
    let all: Vec<String> = told.into_iter().chain(whole).chain(open).collect();
    match (all.is_empty(), &ending) {
        (true, Ending::Failed(_)) => Outcome::Stopped,
        (true, _) => Outcome::WentOn,
        (false, _) => {
            Outcome::Wrong(format!("{} {at:?} {line}\n  {}\n  {ending:?}", fault.number, all.join("\n  ")))
        }
    }
}

fn complaint_about(failure: &Failure, fault: Fault, task: Task, line: &str) -> Option<String> {
    let Failure { status, text, has_help } = failure;
    // The lock and the journal are not of a step, nor is the preparation of a restart.
    let outside = ["`/var/lib/airlock/lock`", "`/var/lib/airlock/journal`", "while the restart was prepared"];
    let is_named = text.contains("in step ") || outside.iter().any(|words| text.contains(words));
    // A repair does what it can, and says what is left.
    let is_expected = fault.statuses.contains(status) || task == Task::Repair && *status == PARTIAL;
    // What a program could not look at is looked at again after the step, and at the end of a reset: that it is still to
    // do is what is told then.
    let proofs = [codes::NODE_STEP_WITHOUT_EFFECT, codes::RESET_LEFTOVERS].map(|code| code.to_string());
    let is_proof = task == Task::Reset
        && line.contains("/root/state/")
        && proofs.iter().any(|code| text.starts_with(code));
    let has_words = is_proof || fault.words.iter().any(|words| text.contains(words));
    let complaints = [
        (!is_expected).then(|| format!("exit status {status}")),
        (!is_named).then(|| "neither step nor file is named".to_owned()),
        (!has_words).then(|| "it does not say that the disk is to blame".to_owned()),
        (!has_help).then(|| "there is no help".to_owned()),
    ];
    let all: Vec<String> = complaints.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Who only opens or reads is never told that the disk is full.
fn is_possible(at: &At, fault: Fault) -> bool {
    !["openat", "read", "pread64"].contains(&at.call.as_str()) || fault.number == BROKEN.number
}

/// What comes of faults.
#[derive(Default)]
struct Tally {
    went_on: usize,
    /// In which steps commands have stopped, and how often.
    stopped: Vec<String>,
    wrong: Vec<String>,
}

impl Tally {
    /// Lets a call fail; whether it did.
    fn add(&mut self, scenario: &Scenario, at: &At, fault: Fault) -> bool {
        match outcome(scenario, at, fault) {
            Outcome::Missed => return false,
            Outcome::Stopped => self.stopped.push(at.step.clone().unwrap_or_default()),
            Outcome::WentOn => self.went_on += 1,
            Outcome::Wrong(complaint) => {
                eprintln!("{complaint}");
                self.wrong.push(complaint);
            }
        }
        true
    }

    fn check(&self) {
        eprintln!("{} faults have stopped a command, {} have not", self.stopped.len(), self.went_on);
        assert!(self.stopped.len() + self.went_on + self.wrong.len() > 0, "no fault has happened");
        assert_eq!(self.wrong, [] as [String; 0]);
    }
}

/// One call of every step fails, by turns because the disk is full and because it is broken.
fn some_fault_in_every_step(scenario: &Scenario) {
    if !strace::works() {
        return;
    }
    let calls = strace::own_calls_of(scenario, &CALLS);
    let mut tally = Tally::default();
    for (step, fault) in scenario.steps.iter().zip([FULL, BROKEN].into_iter().cycle()) {
        let is_of_step = |at: &&At| at.step.as_deref() == Some(step) && is_possible(at, fault);
        let calls: Vec<At> = calls.iter().filter(is_of_step).cloned().collect();
        let has_failed = !calls.is_empty()
            && strace::sample(&calls, TRIES).iter().any(|at| tally.add(scenario, at, fault));
        assert!(has_failed, "{step} is not tested against faults");
    }
    tally.check();
}

/// Every one of `calls` fails for both reasons; if those are all, every step has to be stopped by some of them.
fn every_fault_in_every_step(scenario: &Scenario, all: &[At]) {
    let calls = strace::asked_for(all);
    eprintln!("{} calls", calls.len());
    let mut tally = Tally::default();
    for fault in [FULL, BROKEN] {
        let before = tally.stopped.len();
        for at in calls.iter().filter(|at| is_possible(at, fault)) {
            tally.add(scenario, at, fault);
        }
        let stopped: BTreeSet<&str> = tally.stopped[before..].iter().map(String::as_str).collect();
        let spared: Vec<_> = scenario.steps.iter().filter(|step| !stopped.contains(**step)).collect();
        assert!(spared.is_empty() || calls.len() < all.len(), "no {} has stopped {spared:?}", fault.number);
    }
    tally.check();
}

#[test]
fn some_faults_of_the_disk_are_told_and_made_good() {
    if !strace::works() {
        return;
    }
    let mut tally = Tally::default();
    for at in strace::sample(&strace::calls_of(&INSTALLATION, &CALLS), SAMPLE) {
        let faults = [FULL, BROKEN].into_iter().filter(|fault| is_possible(&at, *fault));
        for fault in faults {
            tally.add(&INSTALLATION, &at, fault);
        }
    }
    tally.check();
}

#[test]
fn faults_in_every_step_with_a_registry_of_the_site_are_told_and_made_good() {
    some_fault_in_every_step(&WITH_SITE);
}

#[test]
fn faults_in_every_step_of_a_repair_are_told_and_made_good() {
    some_fault_in_every_step(&REPAIRING);
}

#[test]
fn faults_in_every_step_of_a_reset_are_told_and_made_good() {
    some_fault_in_every_step(&RESETTING);
}

#[test]
#[ignore = "takes long: a full and a broken disk at every system call; started by scripts/bench"]
fn every_fault_of_the_disk_is_told_and_made_good() {
    if strace::works() {
        every_fault_in_every_step(&INSTALLATION, &strace::calls_of(&INSTALLATION, &CALLS));
    }
}

#[test]
#[ignore = "takes minutes: a full and a broken disk at every system call; started by scripts/bench"]
fn every_fault_with_a_registry_of_the_site_is_told_and_made_good() {
    if strace::works() {
        every_fault_in_every_step(&WITH_SITE, &strace::own_calls_of(&WITH_SITE, &CALLS));
    }
}

#[test]
#[ignore = "takes minutes: a full and a broken disk at every system call; started by scripts/bench"]
fn every_fault_in_a_repair_is_told_and_made_good() {
    if strace::works() {
        every_fault_in_every_step(&REPAIRING, &strace::own_calls_of(&REPAIRING, &CALLS));
    }
}

#[test]
#[ignore = "takes minutes: a full and a broken disk at every system call; started by scripts/bench"]
fn every_fault_in_a_reset_is_told_and_made_good() {
    if strace::works() {
        every_fault_in_every_step(&RESETTING, &strace::own_calls_of(&RESETTING, &CALLS));
    }
}
