//! Journals that were damaged: what the next run makes of them.

use std::io::Write as _;
use std::process::Command;
use std::sync::Mutex;

use airlock::error::codes;
use airlock::node::journal::{Journal, PATH};
use airlock::node::run;
use airlock::progress::{Event, Progress};

use super::machine::Host;

/// Keeps the warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Progress for Warnings {
    fn event(&self, event: Event<'_>) {
        if let Event::Warning { text } = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

/// A node on which there is something to do: a file of ours is gone.
fn node() -> Host {
    let host = Host::new();
    host.install(false).unwrap();
    fs_err::remove_file(host.machine.path("/usr/local/bin/airlock")).unwrap();
    host
}

fn is_mended(host: &Host) {
    assert_eq!(host.install(false).unwrap().changed, ["airlock-program"]);
    assert!(host.plan(false).is_empty());
}

#[test]
fn a_torn_last_line_is_cut_off() {
    for torn in [&b"{\"event\":\"beg"[..], b"\0\0\0\0\0\0", b"\xff"] {
        let host = node();
        let path = host.machine.path(PATH);
        fs_err::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
        is_mended(&host);
        Journal::read(&host.machine).unwrap();
    }
}

#[test]
fn a_damaged_line_ends_the_run_and_the_help_mends_it() {
    let host = node();
    let path = host.machine.path(PATH);
    let whole = fs_err::read(&path).unwrap();
    let second = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    fs_err::write(&path, [&whole[..second], b"\0\x1b[31m\xff\n", &whole[second..]].concat()).unwrap();
    let error = host.install(false).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_JOURNAL, 3));
    assert_eq!(error.message(), "line 2 of /var/lib/airlock/journal is damaged");
    assert!(host.machine.metadata("/usr/local/bin/airlock").unwrap().is_none(), "nothing was changed");
    assert!(error.help().unwrap().contains("`sed -i 2d /var/lib/airlock/journal`"));
    assert!(Command::new("sed").args(["-i", "2d"]).arg(&path).status().unwrap().success());
    assert_eq!(fs_err::read(&path).unwrap(), whole);
    is_mended(&host);
}

#[test]
fn a_journal_that_is_gone_is_told_and_the_node_is_what_it_should_be() {
    let host = node();
    fs_err::remove_file(host.machine.path(PATH)).unwrap();
    let warnings = Warnings::default();
    let done = run::run("install", &host.steps(false), &host.machine, &warnings).unwrap();
    assert_eq!(done.changed, ["airlock-program"]);
    let warnings = warnings.0.into_inner().unwrap();
    assert!(warnings[0].contains("/var/lib/airlock/journal, is gone"), "{warnings:?}");
    assert!(host.plan(false).is_empty());
    let silent = Warnings::default();
    run::run("install", &host.steps(false), &host.machine, &silent).unwrap();
    assert_eq!(silent.0.into_inner().unwrap(), [] as [String; 0], "it is told once");
}
