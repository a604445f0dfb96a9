//! No field of an inventory gets anything executed: `airlock cluster` ends with 3 before it starts any program.

use std::os::unix::fs::PermissionsExt as _;

use super::inventory_fields::{INI, YAML};
use super::support::{AIRLOCK, Home, Outcome};

/// What a shell, OpenSSH or a terminal would do something with.
const ATTEMPTS: [&str; 5] = [
    "$(touch executed)",
    "`touch executed`",
    "a;touch executed",
    "-oProxyCommand=touch executed",
    "a|touch executed",
];

/// A machine on which every program that could be started says so.
fn trapped() -> Home {
    let home = Home::new();
    fs_err::create_dir(home.path("bin")).unwrap();
    for program in ["setsid", "ssh", "sh", "sudo", "touch"] {
        let path = home.path("bin").join(program);
        fs_err::write(
            &path,
            format!("#!/bin/sh\necho {program} \"$@\" >>'{}'\n", home.path("executed").display()),
        )
        .unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    home
}

fn cluster(home: &Home, words: &[&str]) -> Outcome {
    let mut command = home.command(AIRLOCK);
    let output = command.env("PATH", home.path("bin")).arg("cluster").args(words).output().unwrap();
    home.outcome(&output)
}

fn assert_refused(home: &Home, text: &str, words: &[&str]) {
    fs_err::write(home.path("inventory"), text).unwrap();
    let refused = cluster(home, &[words, &["-i", "inventory"]].concat());
    assert_eq!(refused.exit, Some(3), "{text}: {refused}");
    assert!(!home.path("executed").exists(), "{text}: {refused}");
}

#[test]
fn no_field_of_either_format_gets_anything_executed() {
    let home = trapped();
    let attempts = || ATTEMPTS.iter().cycle();
    for (field, attempt) in YAML.iter().zip(attempts()) {
        let body = field.replace('X', &format!("\"{attempt}\""));
        assert_refused(&home, &format!("apiVersion: airlock/v1\nkind: Cluster\n{body}\n"), &["ping"]);
    }
    for (variable, attempt) in INI.iter().zip(attempts()) {
        let before = if variable.starts_with("vip_") { "vip=10.0.0.9 " } else { "" };
        assert_refused(&home, &format!("[master]\na {before}{variable}=\"{attempt}\"\n"), &["ping"]);
    }
    for attempt in ATTEMPTS {
        let text = format!("[master]\na ansible_host=\"{attempt}\"\n");
        for words in [&["deploy", "--yes", "--bundle", "none"][..], &["status"], &["inventory", "show"]] {
            assert_refused(&home, &text, words);
        }
    }
}

#[test]
fn the_trap_would_have_snapped() {
    let home = trapped();
    fs_err::write(home.path("inventory"), "[master]\na\n").unwrap();
    let pinged = cluster(&home, &["ping", "-i", "inventory"]);
    assert!(fs_err::read_to_string(home.path("executed")).unwrap().starts_with("setsid ssh"), "{pinged}");
}
