//! What brings a node back, or lets it leave, when an installation is not the answer: its k3s stopped and started, its
//! datastore put aside, reset to one member, or restored. Directories are moved, never deleted.
//!
//! `airlock cluster` puts these steps together (`gpu-and-ha.md` 2.4 to 2.6); an administrator at the rack can run each by
//! hand, `airlock node recover …`. The way of k3s itself is described at docs.k3s.io, "Backup and Restore".

mod aside;
mod certificates;
mod disarm;
mod look;
mod reset;
mod snapshot;
mod start;
mod stop;

pub use self::certificates::{Certificate, Certificates};
pub use self::look::{Failure, Look, Snapshot};
pub use self::snapshot::{DIRECTORY as SNAPSHOTS, keep as keep_snapshot};
use super::machine::Machine;
use super::settings::{self, K3sRole, Settings};
use super::step::Step;
use crate::error::{Error, Result, codes};

/// What is done to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// k3s does not start again by itself, but runs on.
    Disarm,
    /// k3s is stopped and disabled.
    Stop,
    /// k3s is stopped, and its datastore moved away.
    Aside {
        /// The member of etcd whose datastore is meant; whatever is there, if none is named.
        member: Option<String>,
    },
    /// etcd begins anew with this node as its only member.
    Reset {
        /// Path of the snapshot whose data it gets; otherwise it keeps those that it has.
        snapshot: Option<String>,
    },
    /// Expired certificates are made anew at the next start.
    Certificates,
    /// k3s is enabled and started as it is.
    Start,
}

/// What is known about the k3s of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    role: K3sRole,
    data_directory: String,
}

impl Recovery {
    /// The steps, in their order.
    ///
    /// # Errors
    /// [`codes::NO_ETCD`] if an agent is to do what only servers can; those of reading the settings.
    pub fn steps(&self, machine: &Machine) -> Result<Vec<Box<dyn Step>>> {
        let installed = Installed::of(machine)?;
        let unit = || installed.unit();
        let stop = || Box::new(stop::Stop { unit: unit() }) as Box<dyn Step>;
        Ok(match self {
            Recovery::Disarm => vec![Box::new(disarm::Disarm { unit: unit() })],
            Recovery::Stop => vec![stop()],
            Recovery::Aside { member } => {
                let server = installed.server()?;
                vec![stop(), Box::new(aside::Aside { server, member: member.clone() })]
            }
            Recovery::Reset { snapshot } => {
                let reset = reset::Reset { server: installed.server()?, snapshot: snapshot.clone() };
                vec![stop(), Box::new(reset)]
            }
            Recovery::Certificates => {
                let data_directory = installed.data_directory.clone();
                vec![Box::new(certificates::Rotate { unit: unit(), data_directory })]
            }
            Recovery::Start => vec![Box::new(start::Start { unit: unit() })],
        })
    }

    /// How it is called in the journal, and typed: `recover stop`.
    pub fn command(&self) -> &'static str {
        match self {
            Recovery::Disarm => "recover disarm",
            Recovery::Stop => "recover stop",
            Recovery::Aside { .. } => "recover aside",
            Recovery::Reset { .. } => "recover reset",
            Recovery::Certificates => "recover certificates",
            Recovery::Start => "recover start",
        }
    }
}

impl Installed {
    /// Reads the settings of a node.
    pub(super) fn of(machine: &Machine) -> Result<Installed> {
        let settings = settings(machine)?.ok_or_else(|| {
            Error::new(codes::NO_BUNDLE, "this machine is no node: nothing was installed here")
                .with_help("make it one with `airlock install`")
        })?;
        let role = settings.role.k3s().ok_or_else(|| {
            Error::new(codes::NO_ETCD, "this machine is a balancer: no k3s runs on it")
                .with_help("run it on a server or an agent")
        })?;
        Ok(Installed { role, data_directory: settings.data_directory })
    }

    /// The unit of its k3s.
    fn unit(&self) -> String {
        format!("{}.service", self.role.unit())
    }

    /// The directory of the server in it.
    fn server(&self) -> Result<String> {
        match self.role {
            K3sRole::Server => Ok(format!("{}/server", self.data_directory)),
            K3sRole::Agent => Err(Error::new(codes::NO_ETCD, "this node is no server: it has no datastore")
                .with_help("run it on a server")),
        }
    }
}

/// What is wanted of a machine; nothing if it is no node.
///
/// # Errors
/// Those of reading and of [`Settings::parse`].
pub fn settings(machine: &Machine) -> Result<Option<Settings>> {
    machine.read(settings::PATH)?.map(|bytes| Settings::parse(&bytes)).transpose()
}

#[cfg(test)]
mod tests;
