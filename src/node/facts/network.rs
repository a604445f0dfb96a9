//! The network: interfaces, routes, names, ports, firewalls and proxies.

mod files;
mod interfaces;
mod listeners;
mod names;
mod routes;
mod subnet;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::files::{Firewall, ProxySetting};
pub use self::interfaces::Interface;
pub use self::listeners::{Listener, Protocol};
pub use self::names::NameService;
pub use self::routes::Route;
pub use self::subnet::Subnet;
use super::root::Root;

/// The network as this machine sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// The name of the machine.
    pub hostname: Option<String>,
    /// Interfaces, without the loopback.
    pub interfaces: Vec<Interface>,
    /// Routes of the main table; of IPv6 the default ones only.
    pub routes: Vec<Route>,
    /// How names become addresses.
    pub names: NameService,
    /// Ports that somebody listens on.
    pub listeners: Vec<Listener>,
    /// Firewalls.
    pub firewall: Firewall,
    /// Proxies that services get from files.
    pub proxies: Vec<ProxySetting>,
    /// The service that manages interfaces and would not leave those of pods alone.
    pub meddling_manager: Option<String>,
}

impl Network {
    /// Routes that everything without a better one takes.
    pub fn default_routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter(|route| route.destination.prefix == 0)
    }

    /// Addresses by which others reach this machine, without those of links and of pods.
    pub fn addresses(&self) -> impl Iterator<Item = &Subnet> {
        let outside = self.interfaces.iter().filter(|interface| !interface.is_of_pods());
        outside.flat_map(|interface| &interface.addresses).filter(|subnet| !subnet.is_link_local())
    }
}

pub(super) fn gather(root: &Root<'_>, processes: &BTreeMap<String, u32>) -> Network {
    let routes = routes::gather(root);
    let hostname = root.line("/proc/sys/kernel/hostname").or_else(|| root.line("/etc/hostname"));
    Network {
        interfaces: interfaces::gather(root, &routes),
        names: names::gather(root, hostname.as_deref()),
        listeners: listeners::gather(root),
        firewall: files::firewall(root, processes),
        proxies: files::proxies(root),
        meddling_manager: files::meddling_manager(root, processes),
        hostname,
        routes,
    }
}
