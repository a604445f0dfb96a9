//! Which system calls an installation makes, and what strace does to one of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

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

/// One system call of an installation: its name, and how many of that name its thread has made before, plus one.
pub type At = (String, usize);

/// Every one of `calls` that an installation of everything makes. A name that this architecture does not have may
/// begin with `?`.
pub fn calls_of_an_installation(calls: &[&str]) -> Vec<At> {
    let directory = Host::with_everything().into_directory();
    let log = directory.path().join("strace");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    // As long as it takes, with its restart.
    loop {
        let ending = child::install(directory.path(), &strace(calls, &log, &[]), None);
        for (call, count) in count(&fs_err::read_to_string(&log).unwrap()) {
            let most = counts.entry(call).or_default();
            *most = count.max(*most);
        }
        match ending {
            Ending::Restart(_) => systemd::boot(&directory.path().join("root")).unwrap(),
            Ending::Done => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(!counts.is_empty(), "strace saw nothing");
    let every = |(call, count): (String, usize)| (1..=count).map(move |number| (call.clone(), number));
    counts.into_iter().flat_map(every).collect()
}

/// Installs on a new machine, with this done to one call: `signal=KILL`, `error=ENOSPC`. The machine, how it ended,
/// and the line of strace where it happened, if it did.
pub fn hinder((call, number): &At, how: &str) -> (tempfile::TempDir, Ending, Option<String>) {
    let directory = Host::with_everything().into_directory();
    let (ending, line) = hinder_again(directory.path(), &(call.clone(), *number), how);
    (directory, ending, line)
}

/// The same on a machine that is there.
pub fn hinder_again(directory: &Path, (call, number): &At, how: &str) -> (Ending, Option<String>) {
    let log = directory.join("strace");
    let inject = format!("inject={call}:{how}:when={number}");
    let ending = child::install(directory, &strace(&[call], &log, &["-y", "-e", &inject]), None);
    let text = fs_err::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find(|line| line.contains("INJECTED") || line.contains("killed by SIGKILL"));
    (ending, line.map(str::to_owned))
}

fn strace(calls: &[&str], log: &Path, more: &[&str]) -> Vec<String> {
    let trace = format!("trace={}", calls.join(","));
    let log = log.display().to_string();
    let words = ["strace", "-f", "-qqq", "-e", "signal=none", "-e", &trace, "-o", &log];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// How often the thread has called that has done so most often, for each call. A line begins with the thread.
fn count(log: &str) -> BTreeMap<String, usize> {
    let mut threads: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, _)) = rest.trim_start().split_once('(') else { continue };
        // The other half of a line that was interrupted: `<... write resumed>)`.
        if call.starts_with('<') {
            continue;
        }
        *threads.entry((thread, call)).or_default() += 1;
    }
    let mut counts = BTreeMap::new();
    for ((_, call), count) in threads {
        let most = counts.entry(call.to_owned()).or_default();
        *most = count.max(*most);
    }
    counts
}

/// All of them, or those with a name in the variable: `write,fsync`.
#[expect(clippy::disallowed_methods, reason = "a part of a long test can be run alone")]
pub fn asked_for(all: Vec<At>) -> Vec<At> {
    let Ok(names) = std::env::var("AIRLOCK_TEST_CALLS") else { return all };
    all.into_iter().filter(|(call, _)| names.split(',').any(|name| name == call)).collect()
}

/// So many of `all`, others every day; the variable repeats those of a day that has failed.
#[expect(clippy::disallowed_methods, reason = "whoever repeats a failure names its seed")]
pub fn sample(all: &[At], number: usize) -> Vec<At> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let seed =
        std::env::var("AIRLOCK_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(now / 86_400);
    eprintln!("seed: AIRLOCK_TEST_SEED={seed}");
    let mut state: u64 = seed;
    let mut next = || {
        state = state.wrapping_mul(FACTOR).wrapping_add(ADDEND);
        all[(state >> 33) as usize % all.len()].clone()
    };
    (0..number).map(|_| next()).collect()
}

#[test]
fn calls_are_counted_for_each_thread() {
    let log = "10 fsync(3</a>) = 0\n11 fsync(4) = 0\n10  fsync(3) = 0\n10 write(1, \"x\", 1) = 1\n11 <... fsync resumed>) = 0\nnonsense\n";
    let counts = count(log);
    assert_eq!(counts, [("fsync".to_owned(), 2), ("write".to_owned(), 1)].into());
}
