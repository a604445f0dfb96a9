//! From an inventory to the hosts in it: what every command begins with that asks or changes a cluster.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::change::SiteOptions;
use super::connecting::ConnectionOptions;
use super::read_inventory;
use crate::cli::session::Session;
use crate::cluster::inventory::{Host, Inventory};
use crate::cluster::log::Logged;
use crate::cluster::operation::site::Site;
use crate::cluster::ssh::Dialer;
use crate::error::Result;

/// Reads the inventory and works with its hosts.
pub(super) fn with_site(
    options: &SiteOptions,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    with_inventory(&options.inventory, &options.connection, session, work)
}

/// The same, with a log for each host in a directory.
pub(super) fn with_logs(
    options: &SiteOptions,
    logs: &Path,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    dial(&options.inventory, &options.connection, session, |inventory, dialer, stop| {
        work(&Site::new(inventory, &Logged::new(dialer, logs)?, stop))
    })
}

/// The same as [`with_site`] for an inventory whose path is known otherwise.
pub(super) fn with_inventory(
    path: &Path,
    connection: &ConnectionOptions,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    dial(path, connection, session, |inventory, dialer, stop| work(&Site::new(inventory, dialer, stop)))
}

fn dial(
    path: &Path,
    connection: &ConnectionOptions,
    session: &Session,
    work: impl FnOnce(&Inventory, &Dialer, &Arc<AtomicBool>) -> Result<()>,
) -> Result<()> {
    let inventory = read_inventory(path, session)?.inventory;
    let hosts: Vec<&Host> = inventory.hosts.iter().collect();
    let stop = session.interruption().stop();
    let dialer = connection.dialer(&hosts, stop.clone(), session)?;
    work(&inventory, &dialer, stop)
}
