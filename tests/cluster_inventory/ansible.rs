//! Good inventories of Ansible, and what becomes of them.

use airlock::cluster::inventory::{Connection, Role, VirtualAddressMode};
use airlock::node::settings::Gpu;

use crate::{ansible, host, ssh};

/// As users have it; only the addresses are of a lab.
const USUAL: &str = "\
worker1 ansible_ssh_user=vagrant ansible_ssh_host=127.0.0.1 ansible_ssh_port=2200 my_iface=eth1
worker2 ansible_ssh_user=vagrant ansible_ssh_host=127.0.0.1 ansible_ssh_port=2201 ansible_ssh_private_key_file='~/.ssh/id_rsa' my_iface=eth1 has_gpu=true
master ansible_ssh_user=vagrant ansible_ssh_host=127.0.0.1 ansible_ssh_port=2222 my_iface=eth1
[driver]
master
[worker]
worker1
worker2
[registry]
master
[all:vars]
convect_token=k3s_hub_token
has_gpu=false
install_nvidia_driver=true
install_docker=false
docker_repo=hub.lab/images
http_port=9000
https_port=9443
";

fn names(inventory: &airlock::cluster::inventory::Inventory, role: Role) -> String {
    inventory.of_role(role).map(|host| host.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_usual_inventory_is_understood_as_it_stands() {
    let read = ansible(USUAL).unwrap();
    let inventory = &read.inventory;
    assert_eq!(
        (names(inventory, Role::Server), names(inventory, Role::Agent)),
        ("master".into(), "worker1 worker2".into())
    );
    let worker2 = ssh(inventory, "worker2");
    assert_eq!(
        (worker2.host.as_str(), worker2.user.as_deref(), worker2.port),
        ("127.0.0.1", Some("vagrant"), Some(2201))
    );
    assert_eq!(worker2.identity_file.as_deref(), Some(std::path::Path::new("~/.ssh/id_rsa")));
    assert_eq!(host(inventory, "worker2").gpu, Gpu::Yes);
    assert_eq!(host(inventory, "worker1").gpu, Gpu::No);
    assert_eq!(host(inventory, "worker1").interface.as_deref(), Some("eth1"));
    assert!(host(inventory, "master").has_registry && !host(inventory, "worker1").has_registry);
    assert_eq!((inventory.cluster.http_port, inventory.cluster.https_port), (9000, 9443));
    assert_eq!(inventory.cluster.token.as_ref().map(|token| token.reveal().as_str()), Some("k3s_hub_token"));
    assert_eq!(read.secret.map(|place| place.line), Some(12));
    let warnings: Vec<(usize, &str)> =
        read.warnings.iter().map(|warning| (warning.location.line, warning.message.as_str())).collect();
    assert_eq!(
        warnings,
        [(16, "`docker_repo`: images come from the bundle, so a repository for docker is left out")]
    );
}

#[test]
fn groups_of_other_playbooks_are_understood() {
    for (text, servers, agents) in [
        ("[kube-init-master]\nb\n[kube-master-node]\na\nb\nc\n[kube-worker-node]\nd\n", "b a c", "d"),
        ("[server]\na\n[agent]\nb\n[k3s_cluster:children]\nserver\nagent\n", "a", "b"),
        (
            "[kube_control_plane]\na\n[kube_node]\na\nb\n[k8s_cluster:children]\nkube_control_plane\nkube_node\n",
            "a",
            "b",
        ),
        ("[master]\nn[1:3]\n[worker]\nw[01:03]\n", "n1 n2 n3", "w01 w02 w03"),
        ("[rack1]\na\nb\n[rack2]\nc\n[master:children]\nrack1\n[worker:children]\nrack2\n", "a b", "c"),
        (
            "[compute]\na\n[front]\nb\nc\n[compute:vars]\nairlock_role=agent\n[front:vars]\nairlock_role=server\n",
            "b c",
            "a",
        ),
        ("a\nnas airlock_role=none\n[master]\na\n", "a", ""),
    ] {
        let read = ansible(text).unwrap_or_else(|error| panic!("{text}: {}", crate::rendered(&error)));
        let found = (names(&read.inventory, Role::Server), names(&read.inventory, Role::Agent));
        assert_eq!(found, (servers.to_owned(), agents.to_owned()), "{text}");
    }
}

#[test]
fn connections_are_understood_in_every_spelling() {
    let read = ansible(
        "[master]\n\
         old ansible_ssh_host=10.0.0.1 ansible_ssh_user=me ansible_ssh_port=2200 ansible_sudo_pass='a b#c'\n\
         new ansible_host=10.0.0.2 ansible_user=you ansible_port=2201 ansible_private_key_file=keys/id # ours\n\
         ported.lab:2222 ansible_ssh_common_args='-o ProxyJump=me@bastion'\n\
         here ansible_connection=local ansible_become_password=\"x\"\n\
         10.0.0.5\n",
    )
    .unwrap();
    let inventory = &read.inventory;
    assert_eq!(
        ssh(inventory, "old").sudo_password.as_ref().map(|password| password.reveal().as_str()),
        Some("a b#c")
    );
    let new = ssh(inventory, "new");
    assert_eq!((new.host.as_str(), new.user.as_deref(), new.port), ("10.0.0.2", Some("you"), Some(2201)));
    assert_eq!(new.identity_file.as_deref(), Some(std::path::Path::new("/site/keys/id")));
    let ported = ssh(inventory, "ported.lab");
    assert_eq!(
        (ported.host.as_str(), ported.port, ported.jump.as_deref()),
        ("ported.lab", Some(2222), Some("me@bastion"))
    );
    assert!(matches!(host(inventory, "here").connection, Connection::Local { sudo_password: Some(_) }));
    assert_eq!(ssh(inventory, "10.0.0.5").host, "10.0.0.5");
    assert_eq!(read.secret.map(|place| place.line), Some(2));
    let read =
        ansible("[master]\n[fd00::6]:2206\n[all:vars]\npod_cidr=fd00:42::/56\nservice_cidr=fd00:43::/112\n");
    let read = read.unwrap_or_else(|error| panic!("{}", crate::rendered(&error)));
    let only = ssh(&read.inventory, "fd00--6");
    assert_eq!((only.host.as_str(), only.port), ("fd00::6", Some(2206)));
}

#[test]
fn labels_taints_and_mounts_are_understood_in_every_spelling() {
    let read = ansible(
        "[master]\na node_labels=\"{'disk': 'ssd', 'zone': 'b'}\" taints=gpu=yes:NoSchedule\n\
         [worker]\nb label=disk=hdd,zone=c\nc labels=\"['disk=nvme']\"\n\
         [kube-label-node]\nb\n[kube-nvidia-gpu-node]\nc\n\
         [all:vars]\nkube_label_node_labels=batch=yes\nkube_nvidia_gpu_node_labels={'gpu': 'a100'}\n\
         nfs_server=nas.lab\nnfs_export=/export\nnfs_mount_path=/data\nnfs_options=rw,hard\n",
    )
    .unwrap();
    let labels = |name: &str| {
        let labels = host(&read.inventory, name).labels.iter();
        labels.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(labels("a"), "disk=ssd zone=b");
    assert_eq!(labels("b"), "batch=yes disk=hdd zone=c");
    assert_eq!(labels("c"), "disk=nvme gpu=a100");
    let a = host(&read.inventory, "a");
    assert_eq!(a.taints.iter().map(|taint| taint.as_str()).collect::<Vec<_>>(), ["gpu=yes:NoSchedule"]);
    assert_eq!(
        (a.nfs[0].source.as_str(), a.nfs[0].path.as_str(), a.nfs[0].options.as_str()),
        ("nas.lab:/export", "/data", "rw,hard")
    );
    assert_eq!(host(&read.inventory, "c").gpu, Gpu::Yes);
}

#[test]
fn virtual_addresses_are_understood() {
    let base = "[master]\na ansible_host=10.0.0.1\nb ansible_host=10.0.0.2\nc ansible_host=10.0.0.3\n";
    let mode = |text: &str| {
        let read = ansible(&format!("{base}{text}"))
            .unwrap_or_else(|error| panic!("{text}: {}", crate::rendered(&error)));
        let address = read.inventory.cluster.virtual_address.expect(text);
        assert_eq!(address.host, "10.0.0.100");
        address.mode
    };
    assert!(matches!(mode("[all:vars]\nvip=10.0.0.100\n"), VirtualAddressMode::Keepalived(_)));
    assert!(matches!(mode("[all:vars]\nkube_vip=10.0.0.100\n"), VirtualAddressMode::KubeVip { .. }));
    let on_servers = mode("[lb]\na\nb\n[all:vars]\nvip=10.0.0.100\n");
    assert!(matches!(on_servers, VirtualAddressMode::Haproxy { port: 8443, .. }), "{on_servers:?}");
    let apart = mode("[lb]\nd\ne\n[all:vars]\nvip=10.0.0.100\nvrid=7\n");
    assert!(
        matches!(apart, VirtualAddressMode::Haproxy { port: 6443, ref vrrp, .. } if vrrp.router_id == Some(7))
    );
}

#[test]
fn what_has_no_meaning_is_named_once() {
    let read = ansible(
        "[master]\nGPU_1 ansible_python_interpreter=/usr/bin/python3 ansible_ssh_pass=hunter2\n\
         b ansible_python_interpreter=/usr/bin/python3 my_ifcae=eth1\n\
         [storage]\nb\n\
         [all:vars]\nk3s_version=v1.36.3+k3s1\nansible_ssh_common_args=-o StrictHostKeyChecking=no -o ControlMaster=auto\n",
    )
    .unwrap();
    let warnings: Vec<String> = read
        .warnings
        .iter()
        .map(|warning| format!("{}: {} ({})", warning.location.line, warning.message, warning.help))
        .collect();
    assert!(!warnings.join("\n").contains("hunter2"));
    insta::assert_snapshot!(warnings.join("\n"));
}

#[test]
fn formats_are_told_apart_by_their_content() {
    use airlock::spec::ansible::{is_ansible_yaml, is_ini};
    for text in
        [USUAL, "[all]\na\n", "a:22\n", "# x\n\na\n", "node[1:3] ansible_user=x\n", "\u{feff}[a]\nb\n"]
    {
        assert!(is_ini(text.as_bytes()) && !is_ansible_yaml(text.as_bytes()), "{text}");
    }
    for text in [
        "apiVersion: airlock/v1\nkind: Cluster\n",
        "# x\nkind: Cluster\n",
        "---\nservers: [a]\n",
        "servers:\n - a\n",
        "",
    ] {
        assert!(!is_ini(text.as_bytes()) && !is_ansible_yaml(text.as_bytes()), "{text}");
    }
    assert!(is_ansible_yaml(b"all:\n  hosts:\n    a:\n  children:\n"));
    let vault = ansible("$ANSIBLE_VAULT;1.1;AES256\n6162\n").unwrap_err();
    assert!(vault.message().contains("encrypted"));
}
