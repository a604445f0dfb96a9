//! From an inventory to the hosts in it: what every command begins with that asks or changes a cluster.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::change::InventoryFile;
use super::read_inventory;
use crate::cli::session::Session;
use crate::cluster::inventory::Host;
use crate::cluster::operation::site::Site;
use crate::cluster::remote::{Connect, Remote};
use crate::error::{Error, Result, codes};

/// Reads the inventory and works with its hosts.
pub(super) fn with_site(
    file: &InventoryFile,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    with_inventory(&file.inventory, session, work)
}

/// The same for an inventory whose path is known otherwise.
pub(super) fn with_inventory(
    path: &Path,
    session: &Session,
    work: impl FnOnce(&Site<'_>) -> Result<()>,
) -> Result<()> {
    let inventory = read_inventory(path, session)?.inventory;
    let stop = AtomicBool::new(false);
    work(&Site::new(&inventory, &Unconnected, &stop))
}

/// In place of `cluster::ssh::Dialer` until that is merged.
struct Unconnected;

impl Connect for Unconnected {
    fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        Err(Error::new(
            codes::NOT_REACHED,
            format!("{} cannot be reached: this program has no SSH yet", host.name),
        )
        .with_help("take one that has: `airlock cluster ping`"))
    }
}
