//! What every host should become: pure, from the inventory and what the hosts are.

mod address;
mod entry;
mod settings;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use self::address::{address, url};
pub use self::entry::{Entry, entry};
use super::address as front;
use super::inventory::{Inventory, Role};
use super::survey::Look;
use super::trouble::Trouble;
use crate::node::facts::Network;
use crate::node::settings::Settings;

/// Looks at hosts, by name; or why one could not be looked at.
pub type Looks = BTreeMap<String, Result<Look, Trouble>>;

/// What every host should become.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The server that the others join, and take the bundle from.
    pub entry: Entry,
    /// The address by which other nodes reach a host; or why that is not known.
    pub addresses: BTreeMap<String, Result<IpAddr, Trouble>>,
}

impl Wanted {
    /// Works it out.
    pub fn of(inventory: &Inventory, looks: &Looks) -> Wanted {
        let virtual_address = front::shared(inventory).map(|(address, _)| address);
        let of = |host: &super::inventory::Host| {
            let found = match looks.get(&host.name)? {
                Ok(look) => {
                    let network = without(virtual_address, &look.facts.network);
                    address(host, &network).map_err(Trouble::from)
                }
                Err(_) => address::presumed(host).map(Ok)?,
            };
            Some((host.name.clone(), found))
        };
        let addresses = inventory.hosts.iter().filter_map(of).collect();
        Wanted { entry: entry(inventory, looks), addresses }
    }

    /// The address of a host, if it is known.
    pub fn address(&self, host: &str) -> Option<IpAddr> {
        self.addresses.get(host)?.as_ref().ok().copied()
    }

    /// The settings of a host; nothing as long as its address, or that of the server to join, is not known.
    pub fn settings(&self, inventory: &Inventory, host: &str, looks: &Looks) -> Option<Settings> {
        let host = inventory.host(host)?;
        let before = looks.get(&host.name).and_then(|look| look.as_ref().ok()?.status.identity.as_ref());
        settings::settings(inventory, host, self, before)
    }

    /// The registries of the cluster as `https://ADDRESS:PORT`, that of the entry first; those of hosts whose address
    /// is not known are left out.
    pub fn registries(&self, inventory: &Inventory) -> Vec<(String, String)> {
        let with_registry =
            inventory.hosts.iter().filter(|host| host.has_registry && host.role == Role::Server);
        let mut registries: Vec<(String, String)> = with_registry
            .filter_map(|host| {
                let address = self.address(&host.name)?;
                Some((host.name.clone(), url(address, inventory.cluster.registry_port)))
            })
            .collect();
        registries.sort_by_key(|(host, _)| *host != self.entry.host);
        registries
    }
}

/// A network as it is without the virtual address: whoever holds that now has to be reached when it has moved, too.
fn without(virtual_address: Option<IpAddr>, network: &Network) -> Network {
    let mut network = network.clone();
    for interface in &mut network.interfaces {
        interface.addresses.retain(|subnet| Some(subnet.address) != virtual_address);
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::inventory::tests::inventory;
    use crate::cluster::inventory::{VirtualAddress, VirtualAddressMode};
    use crate::cluster::survey::findings::tests::{look, survey};
    use crate::node::facts::Subnet;

    #[test]
    fn who_holds_the_virtual_address_keeps_its_own() {
        let (mut inventory, mut survey) = (inventory(&["s1"]), survey(&["s1"]));
        let mode = VirtualAddressMode::KubeVip { interface: None };
        inventory.cluster.virtual_address = Some(VirtualAddress { host: "10.0.0.0".to_owned(), mode });
        // It comes before the own one in the list of the kernel.
        let held = Subnet { address: "10.0.0.0".parse().unwrap(), prefix: 24 };
        look(&mut survey, "s1").facts.network.interfaces[0].addresses.insert(0, held);
        for interface in [None, Some("eth0".to_owned())] {
            inventory.hosts[0].interface = interface;
            let wanted = Wanted::of(&inventory, &survey.looks);
            assert_eq!(wanted.address("s1"), Some("10.0.0.1".parse().unwrap()));
        }
    }
}
