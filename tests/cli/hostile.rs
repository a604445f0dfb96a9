//! Surroundings and arguments that break careless programs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use super::support::{AIRLOCK, Home};

#[test]
fn a_directory_where_a_file_is_needed_is_named() {
    let home = Home::new();
    fs_err::create_dir(home.path("keys")).unwrap();
    insta::assert_snapshot!(home.airlock(["key", "show", "keys"]), @r"
    exit 3
    --- stdout
    --- stderr
    error[E0009]: `keys` is a directory, not a file
    help: name the key; it is a small text file
    ");
}

#[test]
fn paths_of_any_bytes_are_taken_and_printed_escaped() {
    let home = Home::new();
    let cases: &[(&[u8], &str)] = &[
        (b"missing", "`missing` does not exist"),
        (b"latin-\xe9", "`latin-\u{fffd}` does not exist"),
        (b"two\nlines", "`two\\nlines` does not exist"),
        (b"\x1b]0;owned\x07", "`\\u{1b}]0;owned\\u{7}` does not exist"),
        ("exe\u{202e}gpj".as_bytes(), "`exe\\u{202e}gpj` does not exist"),
    ];
    for (path, message) in cases {
        let outcome = home.airlock([OsStr::new("key"), OsStr::new("show"), OsStr::from_bytes(path)]);
        assert_eq!(outcome.exit, Some(3), "{outcome}");
        assert!(outcome.stderr.contains(message), "{outcome}");
        assert!(!outcome.stderr.contains('\u{1b}'), "{:?}", outcome.stderr);
        fs_err::write(home.path(OsStr::from_bytes(path)), "no key").unwrap();
        let outcome = home.airlock([OsStr::new("key"), OsStr::new("show"), OsStr::from_bytes(path)]);
        assert!(outcome.stderr.contains("is not a key that can sign bundles"), "{outcome}");
    }
    let comment =
        [OsStr::new("key"), OsStr::new("generate"), OsStr::new("--comment"), OsStr::from_bytes(b"\xff")];
    assert_eq!(home.airlock(comment).exit, Some(2));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let home = Home::new();
    let shell = "set -o pipefail; \"$0\" --help | true; echo \"exit $?\"";
    let output = home.command("bash").args(["-c", shell, AIRLOCK]).output().unwrap();
    insta::assert_snapshot!(home.outcome(&output), @r"
    exit 0
    --- stdout
    exit 0
    --- stderr
    ");
}

#[test]
fn closed_and_full_outputs_do_not_panic() {
    let home = Home::new();
    for (redirection, exit) in
        [("<&- >&- 2>&-", 0), ("2>&-", 0), (">/dev/full", 11), (">/dev/full 2>/dev/full", 11)]
    {
        let shell = format!("\"$0\" --version {redirection}");
        let output = home.command("bash").args(["-c", &shell, AIRLOCK]).output().unwrap();
        let outcome = home.outcome(&output);
        assert_eq!(outcome.exit, Some(exit), "{redirection}: {outcome}");
        if redirection == ">/dev/full" {
            assert!(outcome.stderr.starts_with("error[E0004]: "), "{outcome}");
        }
    }
}

#[test]
fn no_home_and_an_unusable_home() {
    let home = Home::new();
    let outcome = |command: &mut std::process::Command| home.outcome(&command.output().unwrap());
    let mut bare = home.command(AIRLOCK);
    bare.env_remove("HOME").args(["key", "generate", "--no-passphrase", "-o", "k"]);
    // Where the account has a home, the list of signers lies there: keep the test out of it.
    bare.env("XDG_CONFIG_HOME", home.path("config"));
    assert_eq!(outcome(&mut bare).exit, Some(0));

    let mut unusable = home.command(AIRLOCK);
    unusable.env("HOME", "/dev/null").args(["key", "generate", "--no-passphrase"]);
    insta::assert_snapshot!(outcome(&mut unusable), @r"
    exit 7
    --- stdout
    --- stderr
    error[E0010]: `/dev/null/.config/airlock` cannot be written
    caused by: Not a directory (os error 20)
    help: choose a directory that exists, is yours and has room
    ");
    let mut elsewhere = home.command(AIRLOCK);
    elsewhere.env("HOME", "/dev/null").args(["key", "generate", "--no-passphrase", "-o", "l"]);
    let elsewhere = outcome(&mut elsewhere);
    assert_eq!(elsewhere.exit, Some(0), "{elsewhere}");
    assert!(elsewhere.stderr.starts_with("warning: the key was not added"), "{elsewhere}");
    let mut reading = home.command(AIRLOCK);
    reading.env("HOME", "/dev/null").args(["key", "show", "k.pub"]);
    assert_eq!(outcome(&mut reading).exit, Some(0), "reading needs no home");
}

#[test]
fn a_dumb_terminal_gets_neither_colour_nor_questions() {
    let home = Home::new();
    for variables in
        [&[("LANG", "C"), ("TERM", "dumb")][..], &[("TERM", "xterm-256color"), ("NO_COLOR", "1")]]
    {
        let mut command = home.command(AIRLOCK);
        command.envs(variables.iter().copied()).args(["key", "generate"]);
        let outcome = home.outcome(&command.output().unwrap());
        assert_eq!(outcome.exit, Some(2), "{outcome}");
        assert!(
            outcome.stderr.contains("--passphrase-file") && !outcome.stderr.contains('\u{1b}'),
            "{outcome}"
        );
    }
    let coloured = home.airlock(["--color=always", "key", "generate"]);
    assert!(coloured.stderr.starts_with("\u{1b}["), "{coloured}");
}

#[test]
fn few_file_handles_suffice_and_too_few_are_explained() {
    let home = Home::new();
    let limited = |handles: u32| {
        let shell = format!("ulimit -n {handles}; exec \"$0\" key generate --no-passphrase -o key{handles}");
        let output = home.command("bash").args(["-c", &shell, AIRLOCK]).stdin(Stdio::null()).output();
        home.outcome(&output.unwrap())
    };
    assert_eq!(limited(16).exit, Some(0), "{}", limited(16));
    insta::assert_snapshot!(limited(5), @r"
    exit 7
    --- stdout
    --- stderr
    error[E0005]: the system refuses the few files and threads that airlock needs to start
    caused by: Too many open files (os error 24)
    help: raise the limits of this shell, for example `ulimit -n 1024`, and run the command again
    ");
}
