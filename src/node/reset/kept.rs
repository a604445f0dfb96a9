//! What of ours stays on a machine, why, and how it is removed all the same.

use serde::Serialize;

use super::{Reset, driver};
use crate::error::Result;
use crate::node::disk_usage;
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::packages::{Database, Removal};
use crate::node::preflight::mend::SYSCTL_FILE;

/// Something that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// A path, packages, a driver.
    pub what: String,
    /// Why it stays.
    pub why: String,
    /// The command that removes it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<String>,
    /// What it takes on the disk, where that is worth telling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Kept {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Kept {
        Kept { what: what.into(), why: why.into(), remove: None, bytes: None }
    }

    fn removed_by(self, command: String) -> Kept {
        Kept { remove: Some(command), ..self }
    }
}

pub(super) fn kept(reset: &Reset, machine: &Machine) -> Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for owned in reset.owned.iter() {
        kept.extend(of_files(reset, machine, owned)?);
    }
    kept.extend(older_data(reset, machine)?);
    match reset.spared.packages {
        true => kept.extend(spared_packages(reset, machine)?),
        false => kept.extend(needed_packages(reset, machine)?),
    }
    Ok(kept)
}

/// The data directory, if it was there before us: a disk of its own, or what an earlier cluster has left.
fn older_data(reset: &Reset, machine: &Machine) -> Result<Option<Kept>> {
    let path = &reset.data_directory;
    let is_ours = reset.owned.iter().any(|owned| *owned == Owned::Tree { path: path.clone() });
    if is_ours || !reset.has_k3s() || machine.metadata(path)?.is_none() {
        return Ok(None);
    }
    let bytes = Some(disk_usage::of_tree(&machine.path(path)));
    let kept =
        Kept::new(path, "it was there before airlock").removed_by(format!("find {path} -mindepth 1 -delete"));
    Ok(Some(Kept { bytes, ..kept }))
}

fn of_files(reset: &Reset, machine: &Machine, owned: &Owned) -> Result<Option<Kept>> {
    match owned {
        Owned::Tree { path } | Owned::File { path } if reset.spares(path) => {
            let spared = machine.metadata(path)?.map(|found| {
                let bytes = found.is_dir().then(|| disk_usage::of_tree(&machine.path(path)));
                let option = if path == super::STORE { "--keep-store" } else { "--keep-data" };
                Kept { bytes, ..Kept::new(path, option).removed_by(format!("rm -r {path}")) }
            });
            Ok(spared)
        }
        Owned::File { path } if path == SYSCTL_FILE && has_no_values(reset) => {
            Ok(Some(Kept::new("kernel parameters of `preflight --fix`", "they hold until the next restart")))
        }
        _ => Ok(None),
    }
}

/// Whether nobody has written down what kernel parameters were before.
fn has_no_values(reset: &Reset) -> bool {
    !reset.owned.iter().any(|owned| matches!(owned, Owned::Sysctl { .. }))
}

/// Directories that we have made and others have filled.
pub(super) fn filled(reset: &Reset, machine: &Machine) -> Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for owned in reset.owned.iter() {
        let Owned::Directory { path } = owned else { continue };
        if !reset.holds_spared(path) && machine.metadata(path)?.is_some() {
            kept.push(Kept::new(path, "files of others are in it"));
        }
    }
    Ok(kept)
}

fn spared_packages(reset: &Reset, machine: &Machine) -> Result<Vec<Kept>> {
    let database = Database::read(machine)?;
    let ours = reset.owned.iter().filter_map(|owned| match owned {
        Owned::Package { name } => database.find(name, "").map(|_| short(name)),
        _ => None,
    });
    let ours: Vec<&str> = ours.collect();
    let mut kept = Vec::new();
    if !ours.is_empty() {
        let packages = ours.join(" ");
        let command = format!("apt-get purge {packages}");
        kept.push(Kept::new(packages, "packages stay without --packages").removed_by(command));
    }
    let has_driver = reset.owned.iter().any(|owned| matches!(owned, Owned::Driver { .. }));
    if has_driver && driver::is_there(machine)? {
        let kept_driver = Kept::new("NVIDIA driver", "drivers stay without --packages");
        kept.push(kept_driver.removed_by(driver::call().to_string()));
    }
    Ok(kept)
}

fn needed_packages(reset: &Reset, machine: &Machine) -> Result<Vec<Kept>> {
    let needed = Removal::of(machine, &reset.owned)?.needed.into_iter();
    Ok(needed.map(|needed| Kept::new(short(&needed.name), format!("{} needs it", needed.by))).collect())
}

/// As apt takes it: the architecture `all` is never named.
fn short(name: &str) -> &str {
    name.strip_suffix(":all").unwrap_or(name)
}
