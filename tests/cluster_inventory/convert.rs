//! What is written as `cluster.yaml` reads as what it was written from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use airlock::cluster::inventory::{
    Cluster, Connection, Host, Inventory, NfsMount, Role, Ssh, VirtualAddress, VirtualAddressMode, Vrrp,
};
use airlock::error::{Error, Location, codes};
use airlock::node::settings::{Cidr, Gpu};
use airlock::secret::Secret;
use airlock::spec::cluster::{self, SecretFiles, render};
use proptest::option::of;
use proptest::prelude::*;

use crate::{ansible, without_places};

/// Writes an inventory and reads it back, with the files that hold its secrets.
fn there_and_back(inventory: &Inventory) -> Inventory {
    let secrets = SecretFiles::plan(inventory, "cluster");
    let text = render(inventory, &secrets, Path::new("/site"));
    for (_, secret) in secrets.all() {
        assert!(!text.contains(secret.reveal().as_str()), "a secret stands in\n{text}");
    }
    let mut read = |path: &Path| {
        let found = secrets.all().find(|(name, _)| path == Path::new("/site").join(name));
        found
            .map(|(_, secret)| secret.clone())
            .ok_or_else(|| Error::new(codes::INTERNAL, "another file is named"))
    };
    let read = cluster::parse(text.as_bytes(), "cluster.yaml", Path::new("/site"), &mut read);
    without_places(read.unwrap_or_else(|error| panic!("{}\n{text}", crate::rendered(&error))).inventory)
}

#[test]
fn a_converted_inventory_says_the_same() {
    for text in [
        "[master]\na\n",
        "[master]\na ansible_become_pass=hunter2-secret\nb ansible_become_pass=other-secret\n[worker]\nw[01:20] ansible_user=me\n",
        "[all:vars]\nvip=10.0.0.100\nansible_user=me\nmy_iface=eth1\nk3s_token=canary-secret\nhttp_port=9000\nk3s_disable=traefik,servicelb\n\
         ansible_become_pass=hunter2-secret\n[lb]\nl1\nl2\n[master]\na has_gpu=true\nb\nc\n[registry]\nd\n[worker]\nd label=1=yes,b=0755\n",
    ] {
        let inventory = without_places(ansible(text).unwrap().inventory);
        assert_eq!(there_and_back(&inventory), inventory, "{text}");
    }
}

#[test]
fn a_converted_inventory_is_written_as_a_person_would() {
    let inventory = ansible(
        "[driver]\nnode_1 ansible_host=10.0.0.1\n[worker]\nw1 ansible_host=10.0.0.11 has_gpu=true\nw2\n\
         [all:vars]\nansible_user=me\nansible_become_pass=hunter2\nk3s_token=canary\nvip=10.0.0.100\nlabel=no=true\n",
    )
    .unwrap()
    .inventory;
    let secrets = SecretFiles::plan(&inventory, "lab");
    let names: Vec<&str> = secrets.all().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["lab-token", "lab-sudo-password"]);
    insta::assert_snapshot!(render(&inventory, &secrets, Path::new("/site")));
}

fn word() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9.-]{0,6}[a-z0-9])?"
}

fn secret() -> impl Strategy<Value = Secret<String>> {
    "[!-~]{8,16}-secret".prop_map(Secret::new)
}

fn path() -> impl Strategy<Value = PathBuf> {
    prop_oneof![
        "[a-z]{1,5}".prop_map(|name| Path::new("/site/keys").join(name)),
        "[a-z]{1,5}".prop_map(|name| Path::new("/elsewhere").join(name)),
        "[a-z]{1,5}".prop_map(|name| Path::new("~/.ssh").join(name)),
    ]
}

fn connection() -> impl Strategy<Value = Ssh> {
    let user = prop_oneof![Just("root".to_owned()), Just("me@lab".to_owned()), "[a-z0-9_][a-z0-9]{0,3}"];
    let keys = prop::collection::vec("SHA256:[A-Za-z0-9+/]{43}", 0..2);
    let jump = prop_oneof![Just("bastion".to_owned()), Just("me@bastion:2222,[fd00::1]:22".to_owned())];
    (of(user), of(1u16..), of(path()), of(jump), keys, of(secret())).prop_map(
        |(user, port, identity_file, jump, mut host_keys, sudo_password)| {
            host_keys.dedup();
            Ssh { host: String::new(), user, port, identity_file, jump, host_keys, sudo_password }
        },
    )
}

fn mounts() -> impl Strategy<Value = Vec<NfsMount>> {
    prop_oneof![
        Just(Vec::new()),
        "(defaults|rw,hard)".prop_map(|options| vec![NfsMount {
            source: "nas.lab:/export".to_owned(),
            path: "/data/shared".to_owned(),
            options,
        }]),
    ]
}

fn host() -> impl Strategy<Value = Host> {
    let labels = prop::collection::btree_map(
        "([a-z]{1,4}/)?[a-z0-9]{1,5}",
        "([A-Za-z0-9]([a-z0-9._-]{0,4}[a-z0-9])?)?",
        0..3,
    );
    let taints = prop::collection::btree_set("[a-z]{1,4}(=[a-z0-9]{1,4})?:(NoSchedule|NoExecute)", 0..2);
    let gpu = prop_oneof![Just(Gpu::Auto), Just(Gpu::Yes), Just(Gpu::No)];
    (connection(), of("eth[0-9]"), labels, taints, gpu, mounts(), any::<bool>()).prop_map(
        |(ssh, interface, labels, taints, gpu, nfs, has_registry)| Host {
            name: String::new(),
            location: Location { file: String::new(), line: 0, column: 0, snippet: None },
            role: Role::Agent,
            has_registry,
            connection: Connection::Ssh(ssh),
            address: None,
            interface,
            labels,
            taints: taints.iter().map(|taint| taint.parse().unwrap()).collect(),
            gpu,
            nfs,
        },
    )
}

/// A host with what makes it another one than the rest.
fn placed(mut host: Host, role: Role, index: usize, site_registry: bool) -> Host {
    host.role = role;
    host.name = format!("{}{index}", ["s", "a", "b"][role as usize]);
    host.has_registry &= role != Role::Balancer && !site_registry;
    host.has_registry |= role == Role::Server && index == 0 && !site_registry;
    if role == Role::Balancer {
        (host.labels, host.taints, host.gpu) = (BTreeMap::new(), Vec::new(), Gpu::No);
    }
    host.address = (index % 2 == 1).then(|| format!("10.0.{}.{index}", role as usize).parse().unwrap());
    if let Connection::Ssh(ssh) = &mut host.connection {
        ssh.host = if index == 0 { host.name.clone() } else { format!("10.1.{}.{index}", role as usize) };
    }
    host
}

fn vrrp() -> impl Strategy<Value = Vrrp> {
    (of(Just(8)), of("eth[0-9]"), of(1u8..)).prop_map(|(prefix, interface, router_id)| Vrrp {
        prefix,
        interface,
        router_id,
    })
}

fn mode() -> impl Strategy<Value = VirtualAddressMode> {
    prop_oneof![
        vrrp().prop_map(VirtualAddressMode::Keepalived),
        (vrrp(), prop_oneof![Just(8443), Just(7443)], Just(8404u16))
            .prop_map(|(vrrp, port, status_port)| VirtualAddressMode::Haproxy { vrrp, port, status_port }),
        of("eth[0-9]").prop_map(|interface| VirtualAddressMode::KubeVip { interface }),
        (1u16..).prop_map(|port| VirtualAddressMode::External { port }),
    ]
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let ports = (10000u16..10009, 20000u16..20009, 30000u16..30009);
    let names = prop::collection::btree_set(
        word().prop_filter("a host", |name| {
            !name.contains("..") && !name.contains(".-") && !name.contains("-.")
        }),
        0..3,
    );
    let switches = (of(any::<bool>()), any::<bool>(), of("(debian-12|1|on)"), 1usize..1000);
    let site = of(Just("https://harbor.lab/platform".to_owned()));
    (of(secret()), of(mode()), names, ports, site, switches, any::<bool>()).prop_map(
        |(token, mode, names, ports, site_registry, (share_images, packages, target, concurrency), other)| {
            Cluster {
                token,
                virtual_address: mode.map(|mode| VirtualAddress { host: "10.9.9.9".to_owned(), mode }),
                server_names: names.into_iter().collect(),
                disable: if other { vec!["traefik".to_owned(), "on".to_owned()] } else { Vec::new() },
                http_port: ports.0,
                https_port: ports.1,
                registry_port: ports.2,
                site_registry_pull_auth: site_registry.is_some() && other,
                site_registry,
                cluster_cidr: if other { "172.20.0.0/16".parse().unwrap() } else { Cidr::POD_DEFAULT },
                service_cidr: Cidr::SERVICE_DEFAULT,
                data_directory: if other { "/srv/k3s".to_owned() } else { "/var/lib/rancher/k3s".to_owned() },
                share_images,
                packages,
                target,
                concurrency,
            }
        },
    )
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let hosts = |least| prop::collection::vec(host(), least..4);
    (cluster(), hosts(1), hosts(0), hosts(0), any::<bool>()).prop_map(
        |(cluster, servers, agents, balancers, alike)| {
            let mode = cluster.virtual_address.as_ref().map(|address| &address.mode);
            let uses_balancers = matches!(mode, Some(VirtualAddressMode::Haproxy { .. }));
            let site = cluster.site_registry.is_some();
            let balancers = if uses_balancers { balancers } else { Vec::new() };
            let roles = [(Role::Server, servers), (Role::Agent, agents), (Role::Balancer, balancers)];
            let mut hosts: Vec<Host> = roles
                .into_iter()
                .flat_map(|(role, hosts)| {
                    hosts.into_iter().enumerate().map(move |(index, host)| placed(host, role, index, site))
                })
                .collect();
            if alike {
                make_alike(&mut hosts);
            }
            Inventory { hosts, cluster }
        },
    )
}

/// Gives all hosts what the first has, so that there is something for `defaults`.
fn make_alike(hosts: &mut [Host]) {
    let first = hosts[0].clone();
    let Connection::Ssh(of_first) = &first.connection else { return };
    for host in hosts.iter_mut() {
        host.interface = first.interface.clone();
        host.nfs = first.nfs.clone();
        if host.role != Role::Balancer {
            host.gpu = first.gpu;
        }
        if let Connection::Ssh(ssh) = &mut host.connection {
            let (name, keys) = (std::mem::take(&mut ssh.host), std::mem::take(&mut ssh.host_keys));
            *ssh = Ssh { host: name, host_keys: keys, ..of_first.clone() };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn every_inventory_comes_back_as_it_was(inventory in inventory()) {
        prop_assert_eq!(there_and_back(&inventory), inventory);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "(\\[(master|worker|all:vars|a:children|lb)\\]|[a-c]|n\\[1:3\\]|ansible_host=|label=|vip=10\\.0\\.0\\.9|'|\"|\\{'a': 'b'\\}|[ \n#;=:ß-]){0,40}") {
        if let Err(error) = ansible(&text) {
            prop_assert_eq!(error.kind().exit_status(), 3);
            prop_assert!(error.help().is_some());
        }
    }
}
