//! What every host should become: pure, from the inventory and what the hosts are.

mod address;
mod entry;
mod settings;

use std::collections::BTreeMap;
use std::net::IpAddr;

pub use self::address::{address, url};
pub use self::entry::{Entry, entry};
use super::inventory::{Inventory, Role};
use super::survey::Look;
use super::trouble::Trouble;
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
        let of = |host: &super::inventory::Host| {
            let found = match looks.get(&host.name)? {
                Ok(look) => address(host, &look.facts.network).map_err(Trouble::from),
                Err(_) => host.address.map(Ok)?,
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
