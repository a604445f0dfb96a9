//! One address in front of the servers, so that any of them may die.
//!
//! | kind | who holds the address | steps |
//! |---|---|---|
//! | `keepalived` | one of the servers, where the API answers | `keepalived` |
//! | `haproxy` | one of the balancers, or of the servers, through which the API answers | `haproxy`, `keepalived` |
//! | `kubeVip` | one of the servers, by a pod | `kube-vip` |
//! | `external` | somebody else | none |
//!
//! With every kind the certificates of the servers name it. keepalived runs before k3s does, and gives the address to
//! nobody until the API answers somewhere: `airlock node alive` asks for it. The address does not come back by itself
//! to whoever had it first (`nopreempt`): one move is enough.
//!
//! ```text
//! /etc/keepalived/keepalived.conf, /etc/haproxy/haproxy.cfg       ours, by their first line; those of others stay
//! /etc/systemd/system/{keepalived,haproxy}.service.d/airlock.conf  restarts, and which configuration they run with
//! DATA/server/manifests/airlock-kube-vip.yaml                      applied by k3s
//! ```

pub mod alive;
mod carried;
mod daemon;
mod haproxy;
mod keepalived;
mod kube_vip;
mod neighbours;
mod segment;
mod settings;

pub use self::neighbours::who_has;
pub use self::segment::Segment;
#[cfg(test)]
pub(crate) use self::settings::tests;
pub use self::settings::{API_PORT, Balancer, NodeVirtualAddress, Objection, Vrrp};
use super::install::Context;
use super::nfs::Mounts;
use super::owned::{Owned, Possessions};
use super::step::Step;
use crate::error::Result;

/// Units that carry the address on a node with these settings, with suffix.
pub fn units(address: &NodeVirtualAddress) -> Vec<&'static str> {
    let haproxy = address.balancer().map(|_| haproxy::UNIT);
    haproxy.into_iter().chain(address.vrrp().map(|_| keepalived::UNIT)).collect()
}

/// Whether a machine that has these things of ours may have the virtual address because of us: what puts it there is
/// among them.
pub fn may_hold(ours: &Possessions) -> bool {
    let is_holder = |owned: &Owned| {
        let path = owned.path().unwrap_or_default();
        path == keepalived::CONFIGURATION || path.ends_with(kube_vip::FILE)
    };
    ours.iter().any(is_holder)
}

/// The steps for the virtual address of a node; none if it has none to do with.
///
/// # Errors
/// [`codes::NOT_CARRIED`](crate::error::codes::NOT_CARRIED) if neither the machine nor the bundle has what is needed.
pub fn steps(context: &Context) -> Result<Vec<Box<dyn Step>>> {
    let mut steps: Vec<Box<dyn Step>> = Vec::new();
    let Some(address) = &context.settings.virtual_address else { return Ok(steps) };
    if let (Some(balancer), Some(segment)) = (address.balancer(), &context.segment) {
        carried::package(haproxy::PACKAGE, haproxy::PROGRAM, "its virtual address", context)?;
        steps.push(Box::new(haproxy::step(balancer, segment)));
    }
    let port = address.balancer().map_or(API_PORT, |balancer| balancer.port);
    if let (Some((address, vrrp)), Some(segment)) = (address.vrrp(), &context.segment) {
        carried::package(keepalived::PACKAGE, keepalived::PROGRAM, "its virtual address", context)?;
        let (vrrp, segment) = (vrrp.clone(), segment.clone());
        let is_elsewhere = context.settings.address.is_some_and(|own| own != segment.address);
        let instance = keepalived::Instance { address, vrrp, segment, is_elsewhere, port };
        steps.push(Box::new(keepalived::step(&instance, &context.node)));
    }
    if let NodeVirtualAddress::KubeVip { address, interface } = address {
        let image = carried::image(kube_vip::REPOSITORY, kube_vip::EXAMPLE, context)?;
        let directory = &context.settings.data_directory;
        steps.push(Box::new(kube_vip::step(*address, interface.as_deref(), &image, directory)));
    }
    Ok(steps)
}

/// The step for the network file systems of a node, if it mounts any.
///
/// # Errors
/// As for [`steps`].
pub fn mounts(context: &Context) -> Result<Option<Mounts>> {
    let mounts = context.settings.nfs.clone();
    if mounts.is_empty() {
        return Ok(None);
    }
    carried::package("nfs-common", "mount.nfs", "network file systems", context)?;
    Ok(Some(Mounts { mounts }))
}
