//! How a node is: what it should be, what was done to it last, and whether it works. Nothing is changed.
//!
//! It works without root, as far as files allow it: what could not be read is listed, and counts for nothing.
//! [`findings`] judges what was seen, and is pure.

pub mod findings;
mod look;
pub mod record;
pub mod registry;
pub mod services;

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

pub use self::findings::Finding;
use self::look::Look;
pub use self::record::{Ending, LastRun};
pub use self::registry::RegistryHealth;
pub use self::services::ServiceState;
use super::facts::Gpu;
use super::journal;
use super::lock::{self, Holder};
use super::machine::Machine;
use super::registry::STORE;
use super::registry::peer::Network;
use super::reset::membership;
use super::settings::{self, Role, Settings};
use super::trust::state;
use super::{STATE_DIRECTORY, disk_usage};
use crate::error::Result;
use crate::oci::digest::Digest;

/// How a machine is as a node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether airlock has made it a node, or has begun to.
    pub is_node: bool,
    /// Its name in the cluster.
    pub name: String,
    /// What it should be; nothing where the settings cannot be read.
    pub identity: Option<Identity>,
    /// What was installed, a bundle for each channel.
    pub bundles: Vec<Installed>,
    /// The last command that changed the node.
    pub last_run: Option<LastRun>,
    /// The command that is changing it now.
    pub running: Option<Holder>,
    /// The units that a node is made of.
    pub services: Vec<ServiceState>,
    /// The registry that it pulls from.
    pub registry: Option<RegistryHealth>,
    /// The virtual address, if this node may hold it.
    pub virtual_address: Option<VirtualAddress>,
    /// How the cluster sees the node; nothing if it could not be asked.
    pub cluster: Option<ClusterState>,
    /// Disk.
    pub storage: Option<Storage>,
    /// GPUs and their driver.
    pub gpu: Gpus,
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// What may go wrong.
    pub warnings: Vec<Finding>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

/// What a node should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Server or agent.
    pub role: Role,
    /// The server that it has joined; nothing if it has founded the cluster.
    pub joined: Option<String>,
    /// Its address, if one was chosen for it.
    pub address: Option<IpAddr>,
    /// Where k3s keeps its data.
    pub data_directory: String,
}

/// A bundle that was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// `NAME-VERSION`, if its manifest is in the store.
    pub name: Option<String>,
    /// Its channel.
    pub channel: String,
    /// Its serial.
    pub serial: u64,
    /// Its identity.
    pub manifest: Digest,
    /// When it was installed, by the clock of the node.
    pub at: Timestamp,
    /// Fingerprints of those who signed it; nobody, if that was allowed.
    pub signers: Vec<String>,
}

/// An address that one of several nodes holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Whether this node has it now.
    pub is_here: bool,
}

/// How the cluster sees the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    /// Whether the node is `Ready`.
    pub ready: bool,
    /// Why it is not.
    pub why: Option<String>,
}

/// Disk space, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// What the store takes.
    pub store: u64,
    /// What is free on its file system …
    pub free: u64,
    /// … and how large that is.
    pub total: u64,
}

/// GPUs of NVIDIA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gpus {
    /// How many there are.
    pub count: usize,
    /// Version of the driver that is loaded.
    pub driver: Option<String>,
    /// Whether they should be used.
    pub wanted: bool,
}

/// What a look at a node needs besides its machine.
pub struct Surroundings<'a> {
    /// Asks registries.
    pub network: &'a Network,
    /// What is on the PCI bus.
    pub gpu: &'a Gpu,
    /// Addresses of the machine.
    pub addresses: &'a [IpAddr],
    /// The time.
    pub now: Timestamp,
}

impl Status {
    /// Looks at a machine, and judges what it sees.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE) if not even the directory of the node can be looked at.
    pub fn of(machine: &Machine, surroundings: &Surroundings<'_>) -> Result<Status> {
        let mut look = Look::new(machine);
        let running = lock::holder(machine)?;
        let last_run = look.last_run(running.is_some());
        let was_reset = last_run.as_ref().is_some_and(LastRun::is_reset);
        let is_node = machine.metadata(journal::PATH)?.is_some() && !was_reset;
        let settings = if is_node { look.settings() } else { None };
        let state = if is_node { look.state() } else { None };
        let mut status = Status {
            is_node,
            name: membership::name(machine),
            identity: settings.as_ref().map(Identity::of),
            bundles: state.as_ref().map(|state| look.bundles(state)).unwrap_or_default(),
            last_run,
            running,
            services: Vec::new(),
            registry: None,
            virtual_address: VirtualAddress::of(settings.as_ref(), surroundings.addresses),
            cluster: None,
            storage: None,
            gpu: Gpus::of(surroundings.gpu, settings.as_ref()),
            problems: Vec::new(),
            warnings: Vec::new(),
            unreadable: Vec::new(),
        };
        if is_node {
            status.services = look.services(settings.as_ref());
            status.registry = look.registry(settings.as_ref(), surroundings.network);
            status.cluster = look.cluster(&status.name, settings.as_ref());
            status.storage = Storage::of(machine);
        }
        status.unreadable = look.unreadable();
        let seen = state.and_then(|state| state.clock);
        (status.problems, status.warnings) = findings::judge(&status, surroundings.now, seen);
        Ok(status)
    }
}

impl Identity {
    fn of(settings: &Settings) -> Identity {
        Identity {
            role: settings.role,
            joined: settings.join.clone(),
            address: settings.address,
            data_directory: settings.data_directory.clone(),
        }
    }
}

impl VirtualAddress {
    fn of(settings: Option<&Settings>, own: &[IpAddr]) -> Option<VirtualAddress> {
        let address = settings?.virtual_address.as_ref()?.address()?;
        Some(VirtualAddress { address, is_here: own.contains(&address) })
    }
}

impl Gpus {
    fn of(gpu: &Gpu, settings: Option<&Settings>) -> Gpus {
        let wanted = settings.is_some_and(|settings| settings.gpu != settings::Gpu::No);
        Gpus { count: gpu.devices.len(), driver: gpu.driver.clone(), wanted }
    }
}

impl Storage {
    fn of(machine: &Machine) -> Option<Storage> {
        let found = rustix::fs::statvfs(machine.path(STATE_DIRECTORY)).ok()?;
        Some(Storage {
            store: disk_usage::of_tree(&machine.path(STORE)),
            free: found.f_bavail * found.f_frsize,
            total: found.f_blocks * found.f_frsize,
        })
    }
}

impl Installed {
    fn of(channel: &str, seen: &state::Seen, name: Option<String>) -> Installed {
        Installed {
            name,
            channel: channel.to_owned(),
            serial: seen.serial,
            manifest: seen.bundle,
            at: seen.at,
            signers: seen.signers.clone(),
        }
    }
}
