//! What of the bundle is for this machine: its packages, and what its GPUs need.

use std::sync::Arc;

use crate::error::Result;
use crate::node::availability::{self, Segment};
use crate::node::facts::Facts;
use crate::node::install::hosts;
use crate::node::journal::Journal;
use crate::node::k3s::config::Surroundings;
use crate::node::machine::Machine;
use crate::node::nvidia::Nvidia;
use crate::node::origin::Origin;
use crate::node::packages::{self, Packages};
use crate::node::settings::{Gpu, Registry, Settings};
use crate::oci::platform::Platform;

/// The store of a node, from which files of packages are linked.
const STORE: &str = "/var/lib/airlock/store";

/// The parts of a bundle for this machine.
pub(super) struct Parts {
    pub(super) packages: Option<Arc<Packages>>,
    pub(super) nvidia: Arc<Nvidia>,
    pub(super) surroundings: Surroundings,
    pub(super) segment: Option<Segment>,
}

/// Chooses, by what the machine is.
pub(super) fn parts(
    settings: &Settings,
    origin: &Arc<dyn Origin>,
    platform: Platform,
    machine: &Machine,
    facts: &Facts,
) -> Result<Parts> {
    let has_gpu = settings.gpu != Gpu::No && !facts.gpu.devices.is_empty();
    let target = settings.target.as_deref();
    let chosen = match settings.packages {
        true => packages::choose(origin.manifest(), machine, &facts.os, platform, has_gpu, target)?,
        false => None,
    };
    let has_store = matches!(settings.registry, Registry::Own { in_place: false, .. });
    let packages = chosen.map(|apt| {
        let store = has_store.then(|| STORE.to_owned());
        Arc::new(Packages { apt: apt.clone(), origin: origin.clone(), store })
    });
    let secure_boot = facts.security.secure_boot == Some(true);
    let surroundings = hosts::surroundings(settings, machine, &facts.network)?;
    let nvidia =
        Nvidia { wanted: settings.gpu, devices: facts.gpu.clone(), secure_boot, packages: packages.clone() };
    let may_hold = availability::may_hold(&Journal::possessions(machine)?);
    let segment = Segment::of(settings, &facts.network, surroundings.address, may_hold)?;
    Ok(Parts { packages, nvidia: Arc::new(nvidia), surroundings, segment })
}
