//! What can safely be put right before an installation: modules, settings of the kernel and a default route, each in
//! a file of ours that says so.
//!
//! The checks say what is to be mended ([`mendings`](super::mendings)), [`steps`] brings it about: like every step
//! they look first, may be killed at any instant, and record what is ours, so that a reset gives the old values back.
//! [`foresee`] tells what the machine will be by then. Nothing of others is written to.

mod lines;
mod modules;
mod parameters;
mod route;

use std::collections::BTreeSet;

use self::modules::Loaded;
use self::parameters::Parameters;
use self::route::DefaultRoute;
use crate::node::facts::{Facts, Route, Subnet};
use crate::node::machine::Machine;
use crate::node::resource::Resources;
use crate::node::step::{Step, names};

/// Where settings of the kernel are kept for the next start.
pub const SYSCTL_FILE: &str = "/etc/sysctl.d/99-airlock.conf";
/// Where modules are kept that are loaded at the next start.
pub const MODULES_FILE: &str = "/etc/modules-load.d/airlock.conf";
/// The unit that makes a default route.
pub const ROUTE_UNIT: &str = "/etc/systemd/system/airlock-default-route.service";
/// The interface that it leads to.
pub const ROUTE_INTERFACE: &str = "airlock-route";

/// Something that can safely be put right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mending {
    /// Load a module, now and at every start.
    Module(String),
    /// Give a setting of the kernel a value, now and at every start.
    Sysctl {
        /// Its name, with dots.
        name: String,
        /// The value.
        value: u64,
    },
    /// Make a default route that leads nowhere, now and at every start.
    DefaultRoute {
        /// The program `ip`.
        ip: String,
        /// The kind of interface that it leads to, as `ip link` names it: `dummy`, or `bridge` without ports.
        link: &'static str,
    },
}

/// The steps that put everything right, in the order in which they are done: modules first, since settings may come
/// with them, and every file before what it says is done, so that a killed run leaves nothing undone at the next start.
pub fn steps(mendings: &[Mending]) -> Vec<Box<dyn Step>> {
    let mendings: BTreeSet<&Mending> = mendings.iter().collect();
    let (mut modules, mut values, mut route) = (Vec::new(), Vec::new(), None);
    for mending in mendings {
        match mending {
            Mending::Module(name) => modules.push(name.clone()),
            Mending::Sysctl { name, value } => values.push((name.clone(), *value)),
            Mending::DefaultRoute { ip, link } => route = Some(DefaultRoute { ip: ip.clone(), link }),
        }
    }
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    if !modules.is_empty() {
        steps.push(Box::new(load(modules)));
    }
    if !values.is_empty() {
        steps.push(Box::new(Parameters { values }));
    }
    steps.extend(route.map(|route| Box::new(route) as Box<dyn Step>));
    steps
}

fn load(modules: Vec<String>) -> Resources {
    let file = lines::Lines { path: MODULES_FILE, lines: modules.clone() };
    let step = Resources::new(names::KERNEL_MODULES, "Load kernel modules").with(file);
    modules.into_iter().fold(step, |step, module| step.with(Loaded { module }))
}

/// Those of them that this machine lets us do: in a container the kernel's settings may be read-only.
pub fn possible(mendings: Vec<Mending>, machine: &Machine) -> Vec<Mending> {
    let is_possible = |mending: &Mending| match mending {
        Mending::Sysctl { name, .. } => parameters::may_be_set(machine, name),
        Mending::Module(_) | Mending::DefaultRoute { .. } => true,
    };
    mendings.into_iter().filter(is_possible).collect()
}

/// What the machine will be once this is mended, as far as checks look at it. A module that can be loaded counts as
/// loaded for them already.
pub fn foresee(facts: &Facts, mendings: &[Mending]) -> Facts {
    let mut facts = facts.clone();
    for mending in mendings {
        match mending {
            Mending::Module(_) => {}
            Mending::Sysctl { name, value } => {
                facts.sysctls.insert(name.clone(), value.to_string());
            }
            Mending::DefaultRoute { .. } => facts.network.routes.push(Route {
                destination: Subnet { address: std::net::Ipv4Addr::UNSPECIFIED.into(), prefix: 0 },
                gateway: None,
                interface: ROUTE_INTERFACE.to_owned(),
                metric: route::METRIC,
            }),
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_before_settings_and_each_thing_once() {
        let sysctl = Mending::Sysctl { name: "net.ipv4.ip_forward".into(), value: 1 };
        let route = Mending::DefaultRoute { ip: "/sbin/ip".into(), link: "dummy" };
        let steps = steps(&[route, sysctl.clone(), Mending::Module("vxlan".into()), sysctl]);
        let names: Vec<&str> = steps.iter().map(|step| step.name()).collect();
        assert_eq!(names, ["kernel-modules", "kernel-parameters", "default-route"]);
        assert!(super::steps(&[]).is_empty());
        assert!(ROUTE_INTERFACE.len() < 16, "the kernel keeps 15 characters of a name");
    }
}
