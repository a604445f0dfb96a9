//! Which system calls a command makes that changes a node, and what strace does to one of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::child::{self, Ending};
use super::scenario::{Ground, Scenario};
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

/// One system call of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// How often the machine was restarted before, because the command had asked for it.
    pub restarts: usize,
    pub call: String,
    /// How many of that name its thread has made in this run, with this one.
    pub number: usize,
    /// The step that is done then, if one is.
    pub step: Option<String>,
}

/// Every one of `calls` that a command makes about files of its machine and its medium. A name that this architecture
/// does not have may begin with `?`.
pub fn calls_of(scenario: &Scenario, calls: &[&str]) -> Vec<At> {
    let ground = (scenario.prepare)();
    let log = ground.path().join("strace");
    // The lines of the journal tell of which step a call is.
    let traced = [calls, &["write"]].concat();
    let is_asked = |at: &At| calls.iter().any(|call| call.trim_start_matches('?') == at.call);
    let mut found = BTreeMap::new();
    // As long as it takes, with its restarts.
    for restarts in 0.. {
        let ending = child::run(scenario.task, ground.path(), &strace(&traced, &log, &[]), None);
        let text = fs_err::read_to_string(&log).unwrap();
        for at in count(&text, restarts, ground.path()).into_iter().filter(is_asked) {
            found.entry((restarts, at.call.clone(), at.number)).or_insert(at);
        }
        match ending {
            Ending::Restart(_) => systemd::boot(&ground.root()).unwrap(),
            Ending::Done => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(!found.is_empty(), "strace saw nothing");
    found.into_values().collect()
}

/// Those within the steps of its own.
pub fn own_calls_of(scenario: &Scenario, calls: &[&str]) -> Vec<At> {
    let is_own = |at: &At| at.step.as_ref().is_some_and(|step| scenario.steps.contains(&step.as_str()));
    let mut calls = calls_of(scenario, calls);
    calls.retain(is_own);
    calls
}

/// Runs a command on a new machine, with this done to one call: `signal=KILL`, `error=ENOSPC`. The machine, how it
/// ended, and the line of strace where a call failed, if one about the machine did and no other.
pub fn hinder(scenario: &Scenario, at: &At, how: &str) -> (Ground, Ending, Option<String>) {
    let ground = (scenario.prepare)();
    for _ in 0..at.restarts {
        let ending = child::run(scenario.task, ground.path(), &[], None);
        assert!(matches!(ending, Ending::Restart(_)), "{ending:?}");
        systemd::boot(&ground.root()).unwrap();
    }
    let At { call, number, .. } = at;
    let log = ground.path().join("strace");
    let inject = format!("inject={call}:{how}:when={number}");
    let ending = child::run(scenario.task, ground.path(), &strace(&[call], &log, &["-e", &inject]), None);
    let text = fs_err::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    // Every thread has a call of that number, such as one that wakes another thread.
    let mut failed = text.lines().filter(|line| line.contains("INJECTED")).peekable();
    let line = failed.peek().map(|line| (*line).to_owned());
    let line = line.filter(|_| failed.all(|line| is_about_machine(line, ground.path())));
    (ground, ending, line)
}

fn strace(calls: &[&str], log: &Path, more: &[&str]) -> Vec<String> {
    let trace = format!("trace={}", calls.join(","));
    let log = log.display().to_string();
    let words = ["strace", "-f", "-y", "-s", "4096", "-qqq", "-e", "signal=none", "-e", &trace, "-o", &log];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// Whether a line is about a file of the machine in `directory` or of its medium.
fn is_about_machine(line: &str, directory: &Path) -> bool {
    ["root", "medium"].iter().any(|name| line.contains(&directory.join(name).display().to_string()))
}

/// The calls of a log about files of the machine in `directory`, each with its number among those of its thread, with whose id a
/// line begins.
fn count(log: &str, restarts: usize, directory: &Path) -> Vec<At> {
    let mut numbers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found = Vec::new();
    let mut step = None;
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        // The other half of a line that was interrupted: `<... write resumed>)`.
        if call.starts_with('<') {
            continue;
        }
        let number = numbers.entry((thread, call)).or_default();
        *number += 1;
        step = begun(arguments).or(step);
        if is_about_machine(arguments, directory) {
            found.push(At { restarts, call: call.to_owned(), number: *number, step: step.clone() });
        }
    }
    found
}

/// The step that a line for the journal announces, with quotes as strace writes them.
fn begun(arguments: &str) -> Option<String> {
    let (_, rest) = arguments.split_once(r#"{\"event\":\"begin\",\"step\":\""#)?;
    rest.split('\\').next().map(str::to_owned)
}

/// All of them, or those with a name in the variable: `write,fsync`.
#[expect(clippy::disallowed_methods, reason = "a part of a long test can be run alone")]
pub fn asked_for(all: &[At]) -> Vec<At> {
    let names = std::env::var("AIRLOCK_TEST_CALLS").ok();
    let is_asked = |at: &&At| names.as_ref().is_none_or(|names| names.split(',').any(|name| name == at.call));
    all.iter().filter(is_asked).cloned().collect()
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
fn calls_are_counted_for_each_thread_and_belong_to_the_step_that_was_begun_last() {
    let log = r#"10 fsync(3</m/root/a>) = 0
11 fsync(4</other>) = 0
10  fsync(3</m/medium/b>) = 0
11 <... fsync resumed>) = 0
11 write(5</m/root/journal>, "{\"event\":\"begin\",\"step\":\"store\"}\n", 33) = 33
11 fsync(4</m/root/a>) = 0
11 fsync(4</m/root/a>) = 0
nonsense
"#;
    let found = count(log, 1, Path::new("/m"));
    let numbers: Vec<_> = found.iter().map(|at| (at.call.as_str(), at.number, at.step.as_deref())).collect();
    let of_store = |call, number| (call, number, Some("store"));
    assert_eq!(
        numbers,
        [
            ("fsync", 1, None),
            ("fsync", 2, None),
            of_store("write", 1),
            of_store("fsync", 2),
            of_store("fsync", 3)
        ]
    );
}
