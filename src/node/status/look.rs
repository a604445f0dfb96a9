//! Reads what a node tells about itself; what cannot be read is noted and left out.

use super::{ClusterState, Installed, LastRun, RegistryHealth, ServiceState, record};
use crate::error::{Result, codes};
use crate::node::availability;
use crate::node::driver::boot;
use crate::node::journal::Journal;
use crate::node::k3s::paths;
use crate::node::k3s::readiness::Ready;
use crate::node::machine::Machine;
use crate::node::nfs::NfsMount;
use crate::node::registry::peer::Network;
use crate::node::registry::{self, STORE};
use crate::node::settings::{self, K3sRole, Registry, Settings};
use crate::node::trust::state::{self, State};
use crate::store::Store;

/// Where units of the administrator lie.
const UNITS: &str = "/etc/systemd/system";

/// A look at a machine.
pub(super) struct Look<'a> {
    machine: &'a Machine,
    unreadable: Vec<String>,
}

impl Look<'_> {
    pub(super) fn new(machine: &Machine) -> Look<'_> {
        Look { machine, unreadable: Vec::new() }
    }

    /// What could not be read, and why.
    pub(super) fn unreadable(self) -> Vec<String> {
        self.unreadable
    }

    /// What was read, or a note that it was not.
    fn note<T>(&mut self, read: Result<T>) -> Option<T> {
        read.map_err(|error| {
            let cause = error.causes().pop().map(|cause| format!(": {cause}")).unwrap_or_default();
            self.unreadable.push(format!("{}{cause}", error.message()));
        })
        .ok()
    }

    pub(super) fn last_run(&mut self, is_running: bool) -> Option<LastRun> {
        let entries = self.note(Journal::read(self.machine))?;
        let boot = self.note(boot(self.machine)).unwrap_or_default();
        record::last_run(&entries, &boot, is_running)
    }

    pub(super) fn settings(&mut self) -> Option<Settings> {
        let bytes = self.note(self.machine.read(settings::PATH))??;
        self.note(Settings::parse(&bytes))
    }

    /// Whoever may read the state may know it: who could have written it matters for installations only.
    pub(super) fn state(&mut self) -> Option<State> {
        let bytes = self.note(self.machine.read(state::PATH))??;
        self.note(State::parse(&bytes))
    }

    pub(super) fn bundles(&mut self, state: &State) -> Vec<Installed> {
        let store = Store::open(&self.machine.path(STORE)).ok();
        let name = |digest| Some(store.as_ref()?.record(digest).ok()??.stem());
        state
            .channels
            .iter()
            .map(|(channel, seen)| Installed::of(channel, seen, name(&seen.bundle)))
            .collect()
    }

    /// The units that the settings ask for; without settings those that are there.
    pub(super) fn services(&mut self, settings: Option<&Settings>) -> Vec<ServiceState> {
        let is_wanted = |name: &str| match settings {
            Some(settings) if name == registry::service::UNIT => {
                matches!(settings.registry, Registry::Own { .. })
            }
            Some(settings) => name.strip_suffix(".service") == settings.role.k3s().map(K3sRole::unit),
            None => matches!(self.machine.metadata(&format!("{UNITS}/{name}")), Ok(Some(_))),
        };
        let all = [registry::service::UNIT, "k3s.service", "k3s-agent.service"];
        let mut wanted: Vec<String> =
            all.into_iter().filter(|name| is_wanted(name)).map(str::to_owned).collect();
        if let Some(settings) = settings {
            let of_address = settings.virtual_address.iter().flat_map(availability::units);
            wanted.extend(of_address.map(str::to_owned));
            wanted.extend(settings.nfs.iter().map(NfsMount::mount_unit));
        }
        wanted.into_iter().filter_map(|name| self.note(ServiceState::of(self.machine, &name))).collect()
    }

    pub(super) fn registry(
        &mut self,
        settings: Option<&Settings>,
        network: &Network,
    ) -> Option<RegistryHealth> {
        let registry = &settings?.registry;
        if matches!(registry, Registry::Peers { endpoints } if endpoints.is_empty()) {
            return None;
        }
        let authority = self.note(self.machine.read(paths::REGISTRY_CA)).flatten();
        let health = RegistryHealth::of(registry, authority.as_deref(), network);
        if !matches!(registry, Registry::Own { .. }) {
            return Some(health);
        }
        let with_store =
            Store::open(&self.machine.path(STORE)).and_then(|store| health.clone().with_store(&store));
        match with_store {
            // In place nothing is in the store, and it may not be there.
            Err(error) if error.code() == codes::STORE_MISSING => Some(health),
            read => self.note(read).or(Some(health)),
        }
    }

    pub(super) fn cluster(&mut self, node: &str, settings: Option<&Settings>) -> Option<ClusterState> {
        let settings = settings?;
        let role = settings.role.k3s()?;
        let ready = Ready { role, node: node.to_owned(), data_directory: settings.data_directory.clone() };
        if role == K3sRole::Server {
            // It belongs to root: whoever is not has nobody to ask.
            self.note(self.machine.read(paths::KUBECONFIG))?;
        }
        let why = self.note(ready.glance(self.machine))?;
        Some(ClusterState { ready: why.is_none(), why })
    }
}
