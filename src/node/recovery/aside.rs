//! The datastore of a server goes out of the way, so that the server joins anew. It is moved: a member that etcd has let
//! go, or that a reset has left behind, can never come back with its data. Snapshots stay where k3s and everybody else
//! looks for them.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use jiff::Timestamp;

use super::look::modified;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Machine, failed, is_missing};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// What stays: the snapshots that k3s has made.
const SNAPSHOTS: &str = "snapshots";
/// The directory of the member of etcd.
const MEMBER: &str = "etcd";

/// The step that moves the datastore.
pub(super) struct Aside {
    /// Directory of the server.
    pub(super) server: String,
    /// The member of etcd that is meant.
    pub(super) member: Option<String>,
}

/// Name of the member of etcd whose datastore lies in the directory of a server; k3s keeps it in a file.
pub(super) fn member(machine: &Machine, server: &str) -> Result<Option<String>> {
    let text = machine.read_text(&format!("{server}/db/etcd/name"))?;
    Ok(text.map(|text| text.trim().to_owned()).filter(|name| !name.is_empty()))
}

/// When that member was made; k3s writes the file once.
pub(super) fn member_since(machine: &Machine, server: &str) -> Result<Option<Timestamp>> {
    modified(machine, &format!("{server}/db/etcd/name"))
}

impl Aside {
    fn datastore(&self) -> String {
        format!("{}/db", self.server)
    }

    /// What goes, by name. The member of etcd comes last: as long as it is there, something is left to do.
    fn leaving(&self, machine: &Machine) -> Result<Vec<OsString>> {
        let path = self.datastore();
        let entries = match fs_err::read_dir(machine.path(&path)) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &path, error)),
        };
        let names: io::Result<Vec<OsString>> =
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(|error| failed("read", &path, error))?;
        names.retain(|name| name != SNAPSHOTS);
        names.sort_by_key(|name| name == MEMBER);
        Ok(names)
    }

    /// A directory beside the datastore that is not there yet.
    fn target(&self, machine: &Machine) -> Result<String> {
        let at = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let mut target = format!("{}.{at}", self.datastore());
        while machine.metadata(&target)?.is_some() {
            target.push('+');
        }
        Ok(target)
    }
}

impl Step for Aside {
    fn name(&self) -> &'static str {
        names::RECOVERY_ASIDE
    }

    fn title(&self) -> String {
        "Put the datastore aside".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        // One that has joined anew has another name: what is meant is gone already.
        let is_other = self.member.is_some() && member(machine, &self.server)? != self.member;
        if is_other || self.leaving(machine)?.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Change::new(Verb::Replace, self.datastore()).with_detail("moved, not deleted")])
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        let (path, target) = (self.datastore(), self.target(machine)?);
        let make = || {
            fs_err::create_dir(machine.path(&target))?;
            fs_err::set_permissions(machine.path(&target), Permissions::from_mode(0o700))
        };
        make().map_err(|error| failed("create", &target, error))?;
        for name in self.leaving(machine)? {
            fs_err::rename(machine.path(&path).join(&name), machine.path(&target).join(&name))
                .map_err(|error| failed("move", &path, error))?;
        }
        work.note(&format!(
            "what was in {path} is now in {target}; remove it when the cluster is well again"
        ));
        Ok(Outcome::Done)
    }
}
