//! No field of an inventory gets anything executed: `airlock cluster` ends with 3 before it starts any program.

use std::os::unix::fs::PermissionsExt as _;

use super::support::{AIRLOCK, Home, Outcome};

/// What a shell, OpenSSH or a terminal would do something with.
const ATTEMPTS: [&str; 5] = [
    "$(touch executed)",
    "`touch executed`",
    "a;touch executed",
    "-oProxyCommand=touch executed",
    "a|touch executed",
];

/// Fields of a `cluster.yaml`; `X` is the attempt.
const YAML: [&str; 26] = [
    "servers: [X]",
    "servers: [{name: X}]",
    "servers: [{name: a, host: X}]",
    "servers: [{name: a, user: X}]",
    "servers: [{name: a, port: X}]",
    "servers: [{name: a, identityFile: X}]",
    "servers: [{name: a, jump: X}]",
    "servers: [{name: a, hostKeys: [X]}]",
    "servers: [{name: a, sudoPasswordFile: X}]",
    "servers: [{name: a, address: X}]",
    "servers: [{name: a, interface: X}]",
    "servers: [{name: a, labels: {X: b}}]",
    "servers: [{name: a, labels: {b: X}}]",
    "servers: [{name: a, taints: [X]}]",
    "servers: [{name: a, gpu: X}]",
    "servers: [{name: a, nfs: [{source: X, path: /data}]}]",
    "servers: [{name: a, nfs: [{source: \"nas:/x\", path: X}]}]",
    "servers: [a]\nvirtualAddress: X",
    "servers: [a]\nvirtualAddress: {host: 10.0.0.9, interface: X}",
    "servers: [a]\ntokenFile: X",
    "servers: [a]\nserverNames: [X]",
    "servers: [a]\ndisable: [X]",
    "servers: [a]\nhttpPort: X",
    "servers: [a]\nsiteRegistry: X",
    "servers: [a]\nclusterCidr: X",
    "servers: [a]\ndataDirectory: X",
];

/// Variables of a host in an inventory of Ansible.
const INI: [&str; 17] = [
    "ansible_host",
    "ansible_user",
    "ansible_port",
    "ansible_ssh_private_key_file",
    "ansible_ssh_common_args",
    "ansible_connection",
    "my_iface",
    "node_ip",
    "has_gpu",
    "label",
    "taints",
    "vip",
    "vip_interface",
    "site_registry",
    "cluster_cidr",
    "data_dir",
    "airlock_role",
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
