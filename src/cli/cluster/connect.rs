//! From an inventory to the hosts in it: what every command begins with that asks or changes a cluster.

use std::path::Path;

use super::change::SiteOptions;
use super::connecting::ConnectionOptions;
use super::read_inventory;
use crate::cli::session::Session;
use crate::cluster::inventory::Host;
use crate::cluster::operation::site::Site;
use crate::error::Result;

/// Reads the inventory and works with its hosts.
pub(super) fn with_site(
    options: &SiteOptions,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    with_inventory(&options.inventory, &options.connection, session, work)
}

/// The same for an inventory whose path is known otherwise.
pub(super) fn with_inventory(
    path: &Path,
    connection: &ConnectionOptions,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    let inventory = read_inventory(path, session)?.inventory;
    let hosts: Vec<&Host> = inventory.hosts.iter().collect();
    let stop = session.interruption().stop();
    let dialer = connection.dialer(&hosts, stop.clone(), session)?;
    work(&Site::new(&inventory, &dialer, stop))
}
