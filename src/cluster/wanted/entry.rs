//! The server that the others join. A second cluster is never founded beside one that is there.

use super::Looks;
use crate::cluster::inventory::{Inventory, Role};
use crate::cluster::survey::Look;
use crate::node::settings;

/// The server that the others join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the inventory.
    pub host: String,
    /// Whether it is a member of a cluster already; otherwise it founds one.
    pub is_member: bool,
}

/// The server that has founded the cluster; if it is gone, another one that is a member; if nobody is one, the first
/// of the inventory founds it.
pub fn entry(inventory: &Inventory, looks: &Looks) -> Entry {
    let look = |name: &str| looks.get(name).and_then(|look| look.as_ref().ok());
    let servers = || inventory.of_role(Role::Server).map(|host| host.name.as_str());
    let founder = servers().find(|name| look(name).is_some_and(|look| joined(look) == Some(None)));
    let member = || servers().find(|name| look(name).is_some_and(|look| joined(look).is_some()));
    match founder.or_else(member) {
        Some(name) => Entry { host: name.to_owned(), is_member: true },
        // An inventory has at least one server.
        None => Entry { host: servers().next().unwrap_or_default().to_owned(), is_member: false },
    }
}

/// Of a server that an installation came to its end on: what it has joined, or nothing if it has founded the cluster.
fn joined(look: &Look) -> Option<Option<&str>> {
    let identity = look.status.identity.as_ref()?;
    let is_member = look.status.is_member() && identity.role == settings::Role::Server;
    is_member.then_some(identity.joined.as_deref())
}
