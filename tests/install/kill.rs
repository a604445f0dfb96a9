//! Kills a command that changes a node at its system calls: half of the machines lose their power with it, the others go
//! on and only the command is gone. The next run has to bring everything about and leave nothing behind.

use std::collections::BTreeSet;

use airlock::node::journal::{Entry, Journal};

use super::aftermath::is_whole;
use super::child::Ending;
use super::machine::Host;
use super::scenario::{INSTALLATION, REPAIRING, RESETTING, Scenario, WITH_SITE};
use super::strace::{self, At};
use super::systemd;

/// What changes a file system. A name that this architecture does not have is ignored (`?`).
const CALLS: [&str; 20] = [
    "?rename",
    "?renameat",
    "renameat2",
    "fsync",
    "fdatasync",
    "?mkdir",
    "mkdirat",
    "?unlink",
    "unlinkat",
    "?rmdir",
    "?symlink",
    "symlinkat",
    "?link",
    "linkat",
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "?chmod",
];

/// Kills in ordinary tests, of an installation and of every other command.
const SAMPLES: (usize, usize) = (6, 3);

/// Kills at one call after the other; the steps that were interrupted.
fn kill_at(scenario: &Scenario, calls: &[At]) -> BTreeSet<String> {
    let mut steps = BTreeSet::new();
    let mut kills = 0;
    for (number, at) in calls.iter().enumerate() {
        let (ground, ending, _) = strace::hinder(scenario, at, "signal=KILL");
        match ending {
            Ending::Killed => kills += 1,
            // The call was one before the command had begun, or behind its end.
            Ending::NeverBegun | Ending::Restart(_) | Ending::Done => continue,
            Ending::Failed(_) | Ending::Panicked(_) => panic!("{at:?}: {ending:?}"),
        }
        assert_eq!(is_whole(scenario, ground.path()), Ok(()), "{at:?}");
        let has_power = number % 2 == 0;
        if !has_power {
            systemd::boot(&ground.root()).unwrap();
        }
        steps.extend(interrupted(&Host::again(ground.path())));
        assert_eq!((scenario.finish)(ground.path()), [] as [String; 0], "{at:?}");
    }
    eprintln!("killed {kills} times of {}, within {steps:?}", calls.len());
    assert!(kills > 0, "nobody was killed");
    steps
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

fn some_kills(scenario: &Scenario, calls: &[At], number: usize) {
    kill_at(scenario, &strace::sample(calls, number));
}

/// Kills at every one of `calls`; if those are all, every step has to be interrupted.
fn every_kill(scenario: &Scenario, all: &[At]) {
    let calls = strace::asked_for(all);
    let interrupted = kill_at(scenario, &calls);
    let spared: Vec<_> = scenario.steps.iter().filter(|step| !interrupted.contains(**step)).collect();
    assert!(spared.is_empty() || calls.len() < all.len(), "no kill has hit {spared:?}");
}

#[test]
fn some_kills_of_an_installation_are_made_good() {
    if strace::works() {
        some_kills(&INSTALLATION, &strace::calls_of(&INSTALLATION, &CALLS), SAMPLES.0);
    }
}

#[test]
fn some_kills_of_other_commands_are_made_good() {
    if strace::works() {
        for scenario in [WITH_SITE, REPAIRING, RESETTING] {
            some_kills(&scenario, &strace::own_calls_of(&scenario, &CALLS), SAMPLES.1);
        }
    }
}

#[test]
#[ignore = "takes long: kills at every system call that changes a file system; started by scripts/bench"]
fn every_kill_in_every_step_is_made_good() {
    if strace::works() {
        every_kill(&INSTALLATION, &strace::calls_of(&INSTALLATION, &CALLS));
    }
}

#[test]
#[ignore = "takes minutes: kills at every system call that changes a file system; started by scripts/bench"]
fn every_kill_with_a_registry_of_the_site_is_made_good() {
    if strace::works() {
        every_kill(&WITH_SITE, &strace::own_calls_of(&WITH_SITE, &CALLS));
    }
}

#[test]
#[ignore = "takes minutes: kills at every system call that changes a file system; started by scripts/bench"]
fn every_kill_of_a_repair_is_made_good() {
    if strace::works() {
        every_kill(&REPAIRING, &strace::own_calls_of(&REPAIRING, &CALLS));
    }
}

#[test]
#[ignore = "takes minutes: kills at every system call that changes a file system; started by scripts/bench"]
fn every_kill_of_a_reset_is_made_good() {
    if strace::works() {
        every_kill(&RESETTING, &strace::own_calls_of(&RESETTING, &CALLS));
    }
}
