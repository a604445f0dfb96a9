//! What the k3s of a node and its data are like, asked without the cluster: when nothing answers any more, this does.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{aside, reset, settings};
use crate::error::Result;
use crate::node::k3s::failure;
use crate::node::machine::{Call, Machine, failed, is_missing};
use crate::node::resource::unit_state;
use crate::node::settings::Role;

/// How much of the log is looked through for known messages.
const LINES: &str = "300";

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Look {
    /// Whether airlock has made the machine a node.
    pub is_node: bool,
    /// Its name in the cluster, if one was chosen for it.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is.
    pub role: Role,
    /// The server that it has joined; nothing if it has founded the cluster.
    pub join: Option<String>,
    /// Its address, if one was chosen for it.
    pub address: Option<IpAddr>,
    /// How systemd finds its unit: `active`, `activating`, `failed`, `inactive`.
    pub active: String,
    /// Whether it starts with the machine.
    pub is_enabled: bool,
    /// The failure that the log tells of, if k3s does not run and it is one that is known.
    pub failure: Option<Failure>,
    /// Whether there is a datastore of etcd.
    pub has_etcd: bool,
    /// Name of its member.
    pub member: Option<String>,
    /// When that member was made.
    #[serde(default)]
    pub member_since: Option<Timestamp>,
    /// Where the datastore was restored from; empty if it was reset with the data that it had.
    pub restored: Option<String>,
    /// When it was restored or reset.
    #[serde(default)]
    pub restored_at: Option<Timestamp>,
    /// Snapshots on its disk, the latest first.
    pub snapshots: Vec<Snapshot>,
}

/// A failure that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Part of the line in the log.
    pub says: String,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

/// A snapshot of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was made.
    pub at: Timestamp,
}

impl Look {
    /// Looks at a machine.
    ///
    /// # Errors
    /// If its settings or its files cannot be read, or systemd does not answer.
    pub fn at(machine: &Machine) -> Result<Look> {
        let Some(settings) = settings(machine)? else { return Ok(Look::default()) };
        let Some(k3s) = settings.role.k3s() else {
            let (name, role) = (settings.name, settings.role);
            return Ok(Look { is_node: true, name, role, ..Look::default() });
        };
        let unit = format!("{}.service", k3s.unit());
        let state = unit_state(machine, &unit)?;
        let server = format!("{}/server", settings.data_directory);
        let directories = [format!("{server}/db/snapshots"), super::SNAPSHOTS.to_owned()];
        let mut snapshots = Vec::new();
        for directory in &directories {
            snapshots.append(&mut in_directory(machine, directory)?);
        }
        snapshots.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.at));
        Ok(Look {
            is_node: true,
            name: settings.name,
            role: settings.role,
            join: settings.join,
            address: settings.address,
            failure: if state.active == "active" { None } else { known_failure(machine, &unit) },
            active: state.active,
            is_enabled: state.file == "enabled",
            has_etcd: machine.metadata(&format!("{server}/db/etcd"))?.is_some(),
            member: aside::member(machine, &server)?,
            member_since: aside::member_since(machine, &server)?,
            restored: reset::restored(machine, &server)?,
            restored_at: reset::restored_at(machine, &server)?,
            snapshots,
        })
    }

    /// Whether its k3s runs.
    pub fn runs(&self) -> bool {
        self.active == "active"
    }

    /// The snapshot of this name.
    pub fn snapshot(&self, name: &str) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.name == name)
    }
}

/// When a file was changed last; nothing if there is none.
pub(super) fn modified(machine: &Machine, path: &str) -> Result<Option<Timestamp>> {
    let modified = machine.metadata(path)?.and_then(|metadata| metadata.modified().ok());
    Ok(modified.and_then(|time| Timestamp::try_from(time).ok()))
}

fn known_failure(machine: &Machine, unit: &str) -> Option<Failure> {
    let call = Call::new("journalctl").with(["--no-pager", "--output=cat", "--lines", LINES, "--unit", unit]);
    // Without a log there is nothing to know.
    let log = machine.run(&call).ok()?;
    let found = failure::find(&log.output)?;
    let own = str::to_owned;
    Some(Failure { says: own(found.says), cause: own(found.cause), fix: own(found.fix) })
}

fn in_directory(machine: &Machine, directory: &str) -> Result<Vec<Snapshot>> {
    let entries = match fs_err::read_dir(machine.path(directory)) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", directory, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| failed("read", directory, error))?;
        let metadata = entry.metadata().map_err(|error| failed("read", directory, error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // What is being written has another name first.
        if !metadata.is_file() || name.starts_with('.') {
            continue;
        }
        let at = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok()).unwrap_or_default();
        found.push(Snapshot { path: format!("{directory}/{name}"), name, size: metadata.len(), at });
    }
    Ok(found)
}
