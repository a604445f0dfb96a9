//! From what was typed to an [`Inventory`]: first every value by itself, then what they say together.

mod connection;
mod host;
mod nfs;
mod settings;
mod together;
mod value;
mod virtual_address;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) use self::nfs::USUAL_OPTIONS;
pub(super) use self::virtual_address::{API_PORT, SERVER_PORT, STATUS_PORT};
use super::raw;
use super::{ReadSecret, Warning};
use crate::cluster::inventory::Inventory;
use crate::error::Result;
use crate::secret::Secret;
use crate::spec::check::Check;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

/// Checks everything of a file, except its head. What the user should know besides is added to `warnings`.
pub(in crate::spec) fn inventory(
    source: &Source<'_>,
    directory: &Path,
    located: &Located<raw::Cluster>,
    read: ReadSecret<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Inventory> {
    let mut check = Check::new(source, directory);
    let mut secrets = Secrets { read, known: BTreeMap::new() };
    let cluster = settings::cluster(&mut check, &located.value, &mut secrets);
    let hosts = host::hosts(&mut check, &located.value, &mut secrets);
    let together = cluster.zip(hosts);
    if let Some((cluster, hosts)) = &together {
        together::check(&mut check, located, hosts, cluster, warnings);
    }
    check.finish(together.map(|(cluster, hosts)| Inventory {
        hosts: hosts.into_iter().map(|placed| placed.host).collect(),
        cluster,
    }))
}

/// The files with secrets, each read once.
struct Secrets<'a> {
    read: ReadSecret<'a>,
    known: BTreeMap<PathBuf, Secret<String>>,
}

impl Secrets<'_> {
    fn read(&mut self, path: &Path) -> Result<Secret<String>> {
        if let Some(secret) = self.known.get(path) {
            return Ok(secret.clone());
        }
        let secret = (self.read)(path)?;
        self.known.insert(path.to_owned(), secret.clone());
        Ok(secret)
    }
}
