//! Interfaces: `/sys/class/net`, and their addresses from `/proc/net/fib_trie` and `/proc/net/if_inet6`.

use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::routes::{Route, ipv6_address};
use super::subnet::Subnet;
use crate::node::facts::root::Root;

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its hardware address.
    pub mac: Option<String>,
    /// Largest packet in bytes.
    pub mtu: Option<u32>,
    /// `operstate`: `up`, `down`, `unknown`.
    pub state: Option<String>,
    /// Whether it belongs to a device, real or of a virtual machine, and is not made by the kernel.
    pub device: bool,
    /// Its addresses with their networks.
    pub addresses: Vec<Subnet>,
    /// Whether an address of it was leased by DHCP, as far as the usual services leave word.
    pub dhcp: bool,
}

impl Interface {
    /// Whether Kubernetes, or a container runtime, made it for pods.
    pub fn is_of_pods(&self) -> bool {
        let prefixes = ["cni", "flannel", "veth", "kube-ipvs", "docker", "cali"];
        prefixes.iter().any(|prefix| self.name.starts_with(prefix))
    }
}

pub(super) fn gather(root: &Root<'_>, routes: &[Route]) -> Vec<Interface> {
    let trie = root.text("/proc/net/fib_trie").unwrap_or_default();
    let four = local_addresses(&trie);
    let six = root.text("/proc/net/if_inet6").unwrap_or_default();
    let six: Vec<(Subnet, &str)> = six.lines().filter_map(ipv6).collect();
    let names = root.names("/sys/class/net").into_iter().filter(|name| name != "lo");
    let interfaces = names.filter(|name| root.exists(&format!("/sys/class/net/{name}/mtu"))).map(|name| {
        let file = |file: &str| format!("/sys/class/net/{name}/{file}");
        let own_six = six.iter().filter(|(_, interface)| *interface == name).map(|(subnet, _)| *subnet);
        Interface {
            mac: root.line(&file("address")).filter(|mac| mac.bytes().any(|byte| !b"0:".contains(&byte))),
            mtu: root.number(&file("mtu")),
            state: root.line(&file("operstate")),
            device: root.exists(&file("device")),
            addresses: four.iter().filter_map(|address| on(*address, &name, routes)).chain(own_six).collect(),
            dhcp: is_leased(root, &name),
            name,
        }
    });
    interfaces.collect()
}

/// The address with its network, if the most exact route on a link that leads to it goes through `interface`.
fn on(address: Ipv4Addr, interface: &str, routes: &[Route]) -> Option<Subnet> {
    let own = Subnet { address: IpAddr::V4(address), prefix: 32 };
    let leads_to = |route: &&Route| {
        route.gateway.is_none() && route.destination.prefix > 0 && route.destination.overlaps(&own)
    };
    let best = routes.iter().filter(leads_to).max_by_key(|route| route.destination.prefix)?;
    (best.interface == interface).then_some(Subnet { prefix: best.destination.prefix, ..own })
}

/// The addresses of this machine in a dump of the routing tree: leaves `|-- ADDRESS` with `/32 host LOCAL` below.
fn local_addresses(trie: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut leaf = None;
    for line in trie.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL" {
            found.extend(leaf.filter(|address| !address.is_loopback()));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// `Address Index Prefix Scope Flags Interface`, numbers in hexadecimal.
fn ipv6(line: &str) -> Option<(Subnet, &str)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [address, _, prefix, _, _, interface] = columns[..] else { return None };
    let prefix = u8::from_str_radix(prefix, 16).ok().filter(|prefix| *prefix <= 128)?;
    Some((Subnet { address: ipv6_address(address)?.into(), prefix }, interface))
}

/// Whether networkd, NetworkManager or dhclient keep a lease for an interface.
fn is_leased(root: &Root<'_>, name: &str) -> bool {
    let index: Option<u32> = root.number(&format!("/sys/class/net/{name}/ifindex"));
    let of_index = index.is_some_and(|index| {
        let state = root.text(&format!("/run/NetworkManager/devices/{index}")).unwrap_or_default();
        root.exists(&format!("/run/systemd/netif/leases/{index}")) || state.contains("dhcp")
    });
    let dhclient = || {
        let leases = root.names("/var/lib/dhcp").into_iter();
        leases.filter(|file| file.ends_with(".leases")).any(|file| {
            let text = root.text(&format!("/var/lib/dhcp/{file}")).unwrap_or_default();
            text.contains(&format!("interface \"{name}\""))
        })
    };
    of_index || dhclient()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn leaves_of_this_machine_are_its_addresses() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.2\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n";
        assert_eq!(local_addresses(trie), ["192.0.2.2".parse::<Ipv4Addr>().unwrap()]);
        let line = "fd000000000000000000000000000002 04 40 00 82     eth0";
        assert_eq!(ipv6(line), Some(("fd00::2/64".parse().unwrap(), "eth0")));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([|]-- |/32 host LOCAL|[0-9.]{1,9}|[0-9a-f]{32}| |\n){0,30}") {
            let _ = local_addresses(&text);
            text.lines().for_each(|line| drop(ipv6(line)));
        }
    }
}
