//! Kills an installation at its system calls: half of the machines lose their power with it, the others go on and only
//! the installation is gone. The next run has to bring everything about and leave nothing behind.

use std::collections::BTreeSet;

use airlock::node::journal::{Entry, Journal};
use airlock::node::step::names::INSTALL;

use super::aftermath::is_whole;
use super::child::Ending;
use super::machine::Host;
use super::scenario::INSTALLATION;
use super::strace::{self, At};
use super::systemd;

/// What changes a file system. A name that this architecture does not have is ignored (`?`).
pub const CALLS: [&str; 20] = [
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

/// Kills in ordinary tests.
const SAMPLE: usize = 6;

/// Kills at one call after the other; the steps that were interrupted.
fn kill_at(calls: &[At]) -> BTreeSet<String> {
    let mut steps = BTreeSet::new();
    let mut kills = 0;
    for (number, at) in calls.iter().enumerate() {
        let (ground, ending, _) = strace::hinder(&INSTALLATION, at, "signal=KILL");
        match ending {
            Ending::Killed => kills += 1,
            // The call was one before the installation had begun, or behind its end.
            Ending::NeverBegun | Ending::Restart(_) | Ending::Done => continue,
            Ending::Failed(_) | Ending::Panicked(_) => panic!("{at:?}: {ending:?}"),
        }
        assert_eq!(is_whole(&INSTALLATION, ground.path()), Ok(()), "{at:?}");
        let has_power = number % 2 == 0;
        if !has_power {
            systemd::boot(&ground.root()).unwrap();
        }
        steps.extend(interrupted(&Host::again(ground.path())));
        assert_eq!((INSTALLATION.finish)(ground.path()), [] as [String; 0], "{at:?}");
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

#[test]
fn some_kills_are_made_good() {
    if strace::works() {
        kill_at(&strace::sample(&strace::calls_of(&INSTALLATION, &CALLS), SAMPLE));
    }
}

#[test]
#[ignore = "takes long: kills at every system call that changes a file system; started by scripts/bench"]
fn every_kill_in_every_step_is_made_good() {
    if !strace::works() {
        return;
    }
    let interrupted = kill_at(&strace::asked_for(&strace::calls_of(&INSTALLATION, &CALLS)));
    let spared: Vec<_> = INSTALL.iter().filter(|step| !interrupted.contains(**step)).collect();
    assert!(spared.is_empty(), "no kill has hit {spared:?}");
}
