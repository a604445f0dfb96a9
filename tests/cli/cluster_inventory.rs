//! `airlock cluster inventory`.

use std::os::unix::fs::PermissionsExt;

use super::support::{Home, Outcome};

/// As users have it.
const INVENTORY: &str = "\
worker ansible_ssh_user=vagrant ansible_ssh_host=127.0.0.1 ansible_ssh_port=2201 ansible_ssh_private_key_file='~/.ssh/id_rsa' my_iface=eth1 has_gpu=true
master ansible_ssh_user=vagrant ansible_ssh_host=127.0.0.1 ansible_ssh_port=2222 my_iface=eth1
[driver]
master
[worker]
worker
[all:vars]
convect_token=canary-token
ansible_become_pass=canary-password
docker_repo=hub.lab
http_port=9000
";

fn home_with(name: &str, text: &str, mode: u32) -> Home {
    let home = Home::new();
    write(&home, name, text, mode);
    home
}

fn write(home: &Home, name: &str, text: &str, mode: u32) {
    fs_err::write(home.path(name), text).unwrap();
    fs_err::set_permissions(home.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
}

fn assert_no_canary(outcome: &Outcome) {
    assert!(!outcome.stdout.contains("canary") && !outcome.stderr.contains("canary"), "{outcome}");
}

#[test]
fn an_inventory_of_ansible_is_shown_without_its_secrets() {
    let home = home_with("hosts.ini", INVENTORY, 0o600);
    let shown = home.airlock(["cluster", "inventory", "show", "-i", "hosts.ini"]);
    assert_no_canary(&shown);
    insta::assert_snapshot!(shown);
    let limited =
        home.airlock(["cluster", "inventory", "show", "-i", "hosts.ini", "--limit", "agents", "--json"]);
    assert_no_canary(&limited);
    let json: serde_json::Value = serde_json::from_str(&limited.stdout).unwrap();
    assert_eq!(
        (&json["hosts"][0]["name"], &json["hosts"][0]["hasSudoPassword"]),
        (&"worker".into(), &true.into())
    );
    assert_eq!((json["hosts"].as_array().map(Vec::len), &json["hasToken"]), (Some(1), &true.into()));
}

#[test]
fn a_password_that_others_can_read_is_refused() {
    let home = home_with("hosts.ini", INVENTORY, 0o644);
    let refused = home.airlock(["cluster", "inventory", "show", "-i", "hosts.ini"]);
    assert_no_canary(&refused);
    insta::assert_snapshot!(refused, @r"
    exit 7
    --- stdout
    --- stderr
    error[E1082]: others than its owner can read `hosts.ini`, mode 0644
    note: it holds a password or token, on line 8
    help: `chmod 600 hosts.ini`; if somebody may have read it, change the password or token
    ");
    let without = INVENTORY.replace("convect_token=canary-token\nansible_become_pass=canary-password\n", "");
    write(&home, "hosts.ini", &without, 0o644);
    assert_eq!(home.airlock(["cluster", "inventory", "show", "-i", "hosts.ini"]).exit, Some(0));
}

#[test]
fn a_converted_inventory_has_its_secrets_beside_it() {
    let home = home_with("hosts.ini", INVENTORY, 0o600);
    let converted = home.airlock(["cluster", "inventory", "convert", "hosts.ini", "-o", "lab.yaml"]);
    assert_no_canary(&converted);
    insta::assert_snapshot!(converted);
    let text = fs_err::read_to_string(home.path("lab.yaml")).unwrap();
    assert!(!text.contains("canary"), "{text}");
    insta::assert_snapshot!("lab.yaml", text);
    for (name, content) in [("lab-token", "canary-token\n"), ("lab-sudo-password", "canary-password\n")] {
        assert_eq!(fs_err::read_to_string(home.path(name)).unwrap(), content);
        assert_eq!(fs_err::metadata(home.path(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let show = |file: &str| home.airlock(["cluster", "inventory", "show", "-i", file]).stdout;
    assert_eq!(show("lab.yaml"), show("hosts.ini"));

    let again = home.airlock(["cluster", "inventory", "convert", "hosts.ini", "-o", "lab.yaml"]);
    assert_eq!(again.exit, Some(7), "{again}");
    let printed = home.airlock(["cluster", "inventory", "convert", "hosts.ini", "-o", "-"]);
    assert_eq!(printed.exit, Some(2), "{printed}");
    assert_no_canary(&printed);

    fs_err::set_permissions(home.path("lab-token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.airlock(["cluster", "inventory", "show", "-i", "lab.yaml"]);
    assert_eq!(open.exit, Some(7), "{open}");
    assert!(open.stderr.contains("chmod 600") && open.stderr.contains("lab.yaml:"), "{open}");
}

#[test]
fn what_is_no_inventory_is_told_with_help() {
    let home = home_with("hosts.yaml", "all:\n  hosts:\n    a:\n", 0o644);
    insta::assert_snapshot!(home.airlock(["cluster", "inventory", "show", "-i", "hosts.yaml"]));
    insta::assert_snapshot!(home.airlock(["cluster", "inventory", "show"]));
    write(&home, "plain.ini", "[master]\na\n", 0o644);
    let unknown = home.airlock(["cluster", "inventory", "show", "-i", "plain.ini", "--limit", "b"]);
    assert_eq!(unknown.exit, Some(2), "{unknown}");
    fs_err::create_dir(home.path("group_vars")).unwrap();
    let beside = home.airlock(["cluster", "inventory", "show", "-i", "plain.ini"]);
    assert!(beside.stderr.contains("`group_vars` beside the inventory is not read"), "{beside}");
}
