//! Command lines that cannot be understood (exit 2), help and version.

use super::support::Home;

#[test]
fn usage_errors_say_what_is_wrong_and_what_comes_close() {
    let home = Home::new();
    for (arguments, message, help) in [
        (&["keys"][..], "unrecognized subcommand 'keys'", "a similar subcommand exists: 'key'"),
        (&["key", "shwo"], "unrecognized subcommand 'shwo'", "a similar subcommand exists: 'show'"),
        (&["key", "show", "--jsn", "x"], "unexpected argument '--jsn' found", "'--json'"),
        (
            &["key", "show"],
            "the following required arguments were not provided: <FILE>",
            "airlock key show --help",
        ),
        (&["key"], "'airlock key' requires a subcommand", "airlock key --help"),
        (&[], "'airlock' requires a subcommand", "airlock --help"),
        (
            &["--progress", "fast", "key", "show", "x"],
            "invalid value 'fast' for '--progress <HOW>'",
            "airlock --help",
        ),
        (&["-q", "-v", "key", "show", "x"], "'--quiet' cannot be used with '--verbose'", "airlock --help"),
        (
            &["key", "generate", "--no-passphrase", "--passphrase-file", "x"],
            "'--no-passphrase' cannot be used with '--passphrase-file <FILE>'",
            "airlock key generate --help",
        ),
        (&["key", "generate", "--comment", ""], "invalid value '' for '--comment <C>'", "--help"),
        (&["install", "--role", "worker"], "invalid value 'worker' for '--role <ROLE>'", "--help"),
    ] {
        let outcome = home.airlock(arguments);
        assert_eq!(outcome.exit, Some(2), "{arguments:?}: {outcome}");
        let first = outcome.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("error[E000") && first.contains(message), "{arguments:?}: {outcome}");
        let advice = outcome.stderr.split_once("help: ").map_or("", |(_, advice)| advice);
        assert!(advice.contains(help), "{arguments:?}: {outcome}");
        assert_eq!(outcome.stdout, "", "{arguments:?}");
    }
}

#[test]
fn a_usage_error_shows_the_usage_line() {
    insta::assert_snapshot!(Home::new().airlock(["key", "show"]), @r"
    exit 2
    --- stdout
    --- stderr
    error[E0002]: the following required arguments were not provided: <FILE>
    note: usage: airlock key show <FILE>
    help: `airlock key show --help` explains its arguments
    ");
}

#[test]
fn with_json_a_usage_error_is_one_object() {
    insta::assert_snapshot!(Home::new().airlock(["--json", "key", "show"]), @r#"
    exit 2
    --- stdout
    --- stderr
    {"code":"E0002","kind":"usage","exit":2,"message":"the following required arguments were not provided: <FILE>","file":null,"line":null,"column":null,"details":["usage: airlock key show <FILE>"],"causes":[],"help":"`airlock key show --help` explains its arguments"}
    "#);
}

#[test]
fn under_the_name_install_it_is_the_command_of_that_name() {
    let home = Home::new();
    let installer = home.path("install");
    std::os::unix::fs::symlink(super::support::AIRLOCK, &installer).unwrap();
    let output = home.command(&installer).arg("--help").output().unwrap();
    let outcome = home.outcome(&output);
    assert_eq!(outcome.exit, Some(0));
    assert!(outcome.stdout.starts_with("Make this machine a node of a cluster"), "{outcome}");
}

#[test]
fn version_and_help_go_to_standard_output() {
    let home = Home::new();
    let version = home.airlock(["--version"]);
    assert_eq!(version.stdout, concat!("airlock ", env!("CARGO_PKG_VERSION"), "\n"));
    for arguments in [&["--help"][..], &["-h"], &["help", "key"], &["key", "generate", "--help"]] {
        let help = home.airlock(arguments);
        assert_eq!((help.exit, help.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(help.stdout.contains("Usage: airlock") && help.stdout.ends_with('\n'), "{help}");
        assert!(!help.stdout.contains('\u{1b}'), "no colour in a pipe");
    }
}
