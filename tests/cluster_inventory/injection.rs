//! Attempts to smuggle options, commands and control characters through every field of both formats.

use crate::{ansible, rendered, yaml};

/// What must get into no argument, file or terminal.
const ATTEMPTS: [&str; 16] = [
    "-oProxyCommand=touch${IFS}x",
    "--option",
    "a;reboot",
    "`reboot`",
    "$(reboot)",
    "a\\nb",
    "a\\u001b[2J",
    "a\\u202eb",
    "a b",
    "a'b",
    "a\\\"b",
    "a|b",
    "a&b",
    "a>b",
    "../../etc/x y",
    "%h",
];

/// Fields of a `cluster.yaml`; `X` is the attempt, in double quotes.
const YAML: [&str; 31] = [
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
    "servers: [{name: a, nfs: [{source: \"nas:/x\", path: /data, options: X}]}]",
    "servers: [a]\nvirtualAddress: X",
    "servers: [a]\nvirtualAddress: {host: X, mode: external}",
    "servers: [a]\nvirtualAddress: {host: 10.0.0.9, interface: X}",
    "servers: [a]\nvirtualAddress: {host: 10.0.0.9, mode: X}",
    "servers: [a]\ntokenFile: X",
    "servers: [a]\nserverNames: [X]",
    "servers: [a]\ndisable: [X]",
    "servers: [a]\nhttpPort: X",
    "servers: [a]\nsiteRegistry: X",
    "servers: [a]\nclusterCidr: X",
    "servers: [a]\ndataDirectory: X",
    "servers: [a]\ntarget: X",
    "defaults: {user: X}\nservers: [a]",
];

/// Variables of a host.
const INI: [&str; 21] = [
    "ansible_host",
    "ansible_ssh_host",
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
    "http_port",
    "vip",
    "vip_interface",
    "site_registry",
    "cluster_cidr",
    "data_dir",
    "tls_san",
    "k3s_disable",
    "airlock_role",
];

fn assert_refused(what: &str, result: Result<airlock::spec::cluster::Read, airlock::error::Error>) {
    let error = match result {
        Err(error) => error,
        Ok(read) => panic!("{what} is accepted: {:?}", read.inventory),
    };
    assert_eq!(error.kind().exit_status(), 3, "{what}: {error}");
    let shown = rendered(&error);
    assert!(shown.chars().all(|character| character == '\n' || !character.is_control()), "{what}: {shown:?}");
    assert!(!shown.contains('\u{202e}'), "{what}: {shown:?}");
}

#[test]
fn no_field_of_yaml_lets_anything_through() {
    for field in YAML {
        for attempt in ATTEMPTS {
            // Harmless where it stands: a path that begins with dots is one, a `%` begins nothing in these.
            let body = field.replace('X', &format!("\"{attempt}\""));
            assert_refused(&body, yaml(&body));
        }
    }
}

#[test]
fn no_variable_of_an_inventory_lets_anything_through() {
    for variable in INI {
        for attempt in ATTEMPTS {
            let attempt =
                attempt.replace("\\n", "\n").replace("\\u001b", "\u{1b}").replace("\\u202e", "\u{202e}");
            let attempt = attempt.replace("\\\"", "\"");
            if attempt.contains(['\n', '\u{1b}']) {
                let text = format!("[master]\na {variable}='{attempt}'\n");
                assert_refused(&text, ansible(&text));
                continue;
            }
            // Words that are lists already: two of them are two words, and both are fine.
            let is_list = matches!(variable, "tls_san" | "k3s_disable" | "label" | "taints");
            if is_list && attempt == "a b" && !matches!(variable, "label" | "taints") {
                continue;
            }
            let text = format!("[master]\na vip=10.0.0.9 {variable}=\"{}\"\n", attempt.replace('"', "\\\""));
            let text = if variable == "vip" { text.replace("vip=10.0.0.9 ", "") } else { text };
            assert_refused(&text, ansible(&text));
        }
    }
}

#[test]
fn names_of_hosts_let_nothing_through() {
    for name in ["-oProxyCommand=x", "a;b", "`a`", "$(a)", "a'b'c;", "\"a b\"", "a|b", "ä", "a/b", "%h"] {
        let text = format!("[master]\n{name}\n");
        assert_refused(&text, ansible(&text));
    }
}
