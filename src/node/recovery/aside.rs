//! The datastore of a server goes out of the way, so that the server joins anew. It is moved, with the snapshots in it:
//! a member that etcd has let go, or that a reset has left behind, can never come back with its data.

use jiff::Timestamp;

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Machine, failed};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

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

impl Step for Aside {
    fn name(&self) -> &'static str {
        names::RECOVERY_ASIDE
    }

    fn title(&self) -> String {
        "Put the datastore aside".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let path = format!("{}/db", self.server);
        // One that has joined anew has another name: what is meant is gone already.
        let is_other = self.member.is_some() && member(machine, &self.server)? != self.member;
        match machine.metadata(&path)? {
            Some(_) if !is_other => {
                Ok(vec![Change::new(Verb::Replace, path).with_detail("moved, not deleted")])
            }
            _ => Ok(Vec::new()),
        }
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let path = format!("{}/db", self.server);
        let at = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        let machine = work.machine();
        let mut target = format!("{path}.{at}");
        while machine.metadata(&target)?.is_some() {
            target.push('+');
        }
        fs_err::rename(machine.path(&path), machine.path(&target))
            .map_err(|error| failed("move", &path, error))?;
        work.note(&format!("{path} is now {target}; remove it when the cluster is well again"));
        Ok(Outcome::Done)
    }
}
