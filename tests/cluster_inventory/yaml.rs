//! Good `cluster.yaml` files, and what becomes of them.

use airlock::cluster::inventory::{CONCURRENCY, Connection, Role, VirtualAddressMode};
use airlock::node::settings::{Cidr, Gpu};

use crate::{host, ssh, yaml};

const EVERYTHING: &str = r#"virtualAddress:
  host: 10.0.0.100
  mode: haproxy
  prefix: 24
  interface: eth1
  routerId: 51
  port: 7443
  statusPort: 9999
tokenFile: secrets/token
serverNames: [k3s.lab.example, 10.0.0.99]
disable: [traefik]
httpPort: 9000
httpsPort: 9443
registryPort: 5444
clusterCidr: 172.20.0.0/16
serviceCidr: 172.21.0.0/16
dataDirectory: /srv/k3s
shareImages: false
packages: false
target: debian-12
concurrency: 10
defaults:
  user: admin
  port: 2222
  identityFile: ~/.ssh/id_ed25519
  jump: me@bastion:22
  sudoPasswordFile: secrets/sudo
  interface: eth0
  labels: {site: lab, rack: "1"}
  taints: ["a=b:NoSchedule"]
  gpu: auto
  nfs:
    - {source: "nas.lab:/export", path: /data}
servers:
  - name: s1
    host: 10.0.0.1
    address: 192.168.0.1
    hostKeys: ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
    interface: eth1
    labels: {rack: "2"}
    taints: []
    gpu: yes
  - name: here
    local: true
  - s3
agents:
  - name: w[01:03]
    host: 10.0.1.[1:3]
    registry: true
    nfs: []
    gpu: false
"#;

#[test]
fn everything_is_kept() {
    let read = yaml(EVERYTHING).unwrap_or_else(|error| panic!("{}", crate::rendered(&error)));
    let (inventory, cluster) = (&read.inventory, &read.inventory.cluster);
    assert!(read.warnings.is_empty() && read.secret.is_none(), "{:?}", read.warnings);
    let names: Vec<&str> = inventory.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["s1", "here", "s3", "w01", "w02", "w03"]);
    let s1 = host(inventory, "s1");
    assert_eq!(
        s1.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        ["rack=2", "site=lab"]
    );
    assert_eq!(
        (s1.interface.as_deref(), s1.gpu, s1.taints.len(), s1.nfs.len()),
        (Some("eth1"), Gpu::Yes, 0, 1)
    );
    assert_eq!(s1.address.map(|address| address.to_string()).as_deref(), Some("192.168.0.1"));
    let connection = ssh(inventory, "s1");
    assert_eq!(
        (connection.user.as_deref(), connection.port, connection.jump.as_deref()),
        (Some("admin"), Some(2222), Some("me@bastion:22"))
    );
    assert_eq!(connection.sudo_password.as_ref().map(|password| password.reveal().as_str()), Some("canary"));
    assert_eq!(connection.host_keys.len(), 1);
    assert!(matches!(host(inventory, "here").connection, Connection::Local { sudo_password: Some(_) }));
    let w02 = host(inventory, "w02");
    assert_eq!((w02.role, w02.has_registry, w02.gpu, w02.nfs.len()), (Role::Agent, true, Gpu::No, 0));
    assert_eq!((ssh(inventory, "w02").host.as_str(), w02.taints.len()), ("10.0.1.2", 1));
    assert_eq!(ssh(inventory, "s3").host, "s3");
    assert_eq!(cluster.token.as_ref().map(|token| token.reveal().as_str()), Some("canary"));
    let address = cluster.virtual_address.as_ref().unwrap();
    let VirtualAddressMode::Haproxy { vrrp, port, status_port } = &address.mode else {
        panic!("{address:?}")
    };
    assert_eq!((*port, *status_port, vrrp.prefix, vrrp.router_id), (7443, 9999, Some(24), Some(51)));
    assert_eq!((cluster.http_port, cluster.registry_port, cluster.concurrency), (9000, 5444, 10));
    assert_eq!(
        (cluster.share_images, cluster.packages, cluster.target.as_deref()),
        (Some(false), false, Some("debian-12"))
    );
    assert!(!format!("{read:?}").contains("canary"));
}

#[test]
fn a_few_lines_are_enough() {
    let read = yaml("servers: [node1]\nagents:\n  - worker[01:16]\n").unwrap();
    let cluster = &read.inventory.cluster;
    assert_eq!(read.inventory.hosts.len(), 17);
    assert_eq!(read.inventory.of_role(Role::Agent).last().unwrap().name, "worker16");
    assert_eq!(
        (cluster.cluster_cidr, cluster.concurrency, cluster.packages),
        (Cidr::POD_DEFAULT, CONCURRENCY, true)
    );
    assert!(host(&read.inventory, "node1").has_registry);
    assert!(cluster.virtual_address.is_none() && cluster.token.is_none());
}

#[test]
fn virtual_addresses_have_a_short_form_and_modes() {
    let mode = |text: &str| {
        let text = format!("servers: [{{name: a, host: 10.0.0.1}}]\n{text}");
        let read = yaml(&text).unwrap_or_else(|error| panic!("{}", crate::rendered(&error)));
        read.inventory.cluster.virtual_address.unwrap()
    };
    assert!(matches!(mode("virtualAddress: 10.0.0.9\n").mode, VirtualAddressMode::Keepalived(_)));
    let balanced = mode("balancers: [b]\nvirtualAddress: 10.0.0.9\n").mode;
    assert!(matches!(balanced, VirtualAddressMode::Haproxy { port: 6443, .. }), "{balanced:?}");
    let external = mode("virtualAddress: {host: k3s.lab, mode: external}\n");
    assert!(external.host == "k3s.lab" && external.mode == VirtualAddressMode::External { port: 6443 });
}

#[test]
fn addresses_of_version_6_are_accepted_in_every_form() {
    let read = yaml(
        "clusterCidr: fd00:42::/56\nserviceCidr: fd00:43::/112\nvirtualAddress: fd00::100\n\
         servers: [{name: a, host: \"[fd00::1]\"}]\nagents: [{name: b, host: \"fd00::2\", address: \"[fd00::3]\"}]\n",
    )
    .unwrap_or_else(|error| panic!("{}", crate::rendered(&error)));
    assert_eq!(ssh(&read.inventory, "a").host, "fd00::1");
    assert_eq!(
        host(&read.inventory, "b").address.map(|address| address.to_string()).as_deref(),
        Some("fd00::3")
    );
}

#[test]
fn an_even_number_of_servers_is_warned_of() {
    let warning = |servers: &str, more: &str| {
        let read = yaml(&format!("servers: [{servers}]\n{more}")).unwrap();
        read.warnings
            .into_iter()
            .map(|warning| format!("{}; {}", warning.message, warning.help))
            .collect::<String>()
    };
    assert_eq!(warning("a", ""), "");
    assert_eq!(warning("a, b, c", ""), "");
    let two = warning("a, b", "");
    assert!(
        two.contains("less safe than 1") && two.contains("without a virtual address") && two.contains("`b`"),
        "{two}"
    );
    assert!(!warning("a, b", "virtualAddress: 10.0.0.9\n").contains("without a virtual address"));
    let four = warning("a, b, c, d", "");
    assert!(
        four.contains(
            "4 servers are no safer than 3: etcd needs 3 of 4, so it survives the loss of 1, as 3 do"
        ),
        "{four}"
    );
}
