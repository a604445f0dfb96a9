//! Which system calls an installation makes, and what strace does to one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use super::child::{self, Ending};
use super::machine::Host;
use super::systemd;

/// Steps of a pseudo-random sequence: Knuth's constants for 64 bits.
const FACTOR: u64 = 6_364_136_223_846_793_005;
const ADDEND: u64 = 1_442_695_040_888_963_407;

/// Whether there is a strace that may trace.
pub fn works() -> bool {
    let works = Command::new("strace").args(["-qqq", "-o", "/dev/null", "true"]).status();
    let works = works.is_ok_and(|status| status.success());
    if !works {
        eprintln!("SKIPPED: there is no strace, or it may not trace");
    }
    works
}

/// One system call of an installation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// How often the machine was restarted before, because the installation had asked for it.
    pub restarts: usize,
    pub call: String,
    /// How many of that name its thread has made in this run, with this one.
    pub number: usize,
}

/// Every one of `calls` that an installation of everything makes about a file of its machine. A name that this
/// architecture does not have may begin with `?`.
pub fn calls_of_an_installation(calls: &[&str]) -> Vec<At> {
    let directory = Host::with_everything().into_directory();
    let log = directory.path().join("strace");
    let root = directory.path().join("root").display().to_string();
    let mut found = BTreeSet::new();
    // As long as it takes, with its restart.
    for restarts in 0.. {
        let ending = child::install(directory.path(), &strace(calls, &log, &[]), None);
        let counted = count(&fs_err::read_to_string(&log).unwrap(), &root);
        found.extend(counted.into_iter().map(|(call, number)| At { restarts, call, number }));
        match ending {
            Ending::Restart(_) => systemd::boot(Path::new(&root)).unwrap(),
            Ending::Done => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(!found.is_empty(), "strace saw nothing");
    found.into_iter().collect()
}

/// Installs on a new machine, with this done to one call: `signal=KILL`, `error=ENOSPC`. The machine, how it ended,
/// and the line of strace where it happened, if it did.
pub fn hinder(at: &At, how: &str) -> (tempfile::TempDir, Ending, Option<String>) {
    let directory = Host::with_everything().into_directory();
    for _ in 0..at.restarts {
        let ending = child::install(directory.path(), &[], None);
        assert!(matches!(ending, Ending::Restart(_)), "{ending:?}");
        systemd::boot(&directory.path().join("root")).unwrap();
    }
    let (ending, line) = hinder_again(directory.path(), at, how);
    (directory, ending, line)
}

/// The same on a machine that is there.
pub fn hinder_again(directory: &Path, at: &At, how: &str) -> (Ending, Option<String>) {
    let At { call, number, .. } = at;
    let log = directory.join("strace");
    let inject = format!("inject={call}:{how}:when={number}");
    let ending = child::install(directory, &strace(&[call], &log, &["-e", &inject]), None);
    let text = fs_err::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.contains("INJECTED") || line.contains("killed by SIGKILL"));
    (ending, line.map(str::to_owned))
}

/// Whether the process of an ignored test, which finds its machine by [`child::ROOT`], is killed at a call, because it
/// makes as many.
pub fn kills(test: &str, call: &str, number: usize, directory: &Path) -> bool {
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let words = strace(&[call], Path::new("/dev/null"), &["-e", &inject]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--test-threads", "1"]).env(child::ROOT, directory);
    !command.stdout(Stdio::null()).status().unwrap().success()
}

fn strace(calls: &[&str], log: &Path, more: &[&str]) -> Vec<String> {
    let trace = format!("trace={}", calls.join(","));
    let log = log.display().to_string();
    let words = ["strace", "-f", "-y", "-s", "4096", "-qqq", "-e", "signal=none", "-e", &trace, "-o", &log];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// The calls of a log about files below `root`, each with its number among those of its thread, with whose id a line
/// begins.
fn count(log: &str, root: &str) -> Vec<(String, usize)> {
    let mut numbers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        // The other half of a line that was interrupted: `<... write resumed>)`.
        if call.starts_with('<') {
            continue;
        }
        let number = numbers.entry((thread, call)).or_default();
        *number += 1;
        if arguments.contains(root) {
            found.push((call.to_owned(), *number));
        }
    }
    found
}

/// All of them, or those with a name in the variable: `write,fsync`.
#[expect(clippy::disallowed_methods, reason = "a part of a long test can be run alone")]
pub fn asked_for(all: Vec<At>) -> Vec<At> {
    let Ok(names) = std::env::var("AIRLOCK_TEST_CALLS") else { return all };
    all.into_iter().filter(|at| names.split(',').any(|name| name == at.call)).collect()
}

/// So many of `all`, the same in every run; with another seed others.
#[expect(clippy::disallowed_methods, reason = "whoever looks for more names another seed")]
pub fn sample(all: &[At], number: usize) -> Vec<At> {
    let named = std::env::var("AIRLOCK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = named.unwrap_or(0);
    eprintln!("seed: AIRLOCK_TEST_SEED={seed}");
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(FACTOR).wrapping_add(ADDEND);
        all[(state >> 33) as usize % all.len()].clone()
    };
    (0..number).map(|_| next()).collect()
}

#[test]
fn calls_are_counted_for_each_thread() {
    let log = "10 fsync(3</m/a>) = 0\n11 fsync(4</other>) = 0\n10  fsync(3</m/b>) = 0\n11 <... fsync resumed>) = 0\n\
               11 fsync(4</m/a>) = 0\n11 fsync(4</m/a>) = 0\nnonsense\n";
    let numbers: Vec<usize> = count(log, "/m/").into_iter().map(|(_, number)| number).collect();
    assert_eq!(numbers, [1, 2, 2, 3]);
}
