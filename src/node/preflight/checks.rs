//! All checks, by subject. Their ids are those of the sheet of checks that this project began with; ids that are
//! missing here belong to checks of several nodes, of a running cluster, or of the content of a bundle.

mod bundle;
mod clock;
mod disk;
mod gpu;
mod hardware;
mod identity;
mod kernel;
mod mount;
mod network;
mod options;
mod packages;
mod ports;
mod previous;
mod security;
mod services;
mod sysctl;

use super::Check;

/// Every subject with its checks.
pub const SUBJECTS: [(&str, &[&[Check]]); 8] = [
    ("Bundle", &[bundle::CHECKS]),
    ("Hardware", &[hardware::CHECKS]),
    ("Disks", &[disk::CHECKS, mount::CHECKS]),
    ("Kernel", &[kernel::CHECKS, options::CHECKS, security::CHECKS, sysctl::CHECKS]),
    ("Names and time", &[identity::CHECKS, clock::CHECKS]),
    ("Network", &[network::CHECKS, ports::CHECKS]),
    ("Packages and programs", &[services::CHECKS, packages::CHECKS, previous::CHECKS]),
    ("GPU", &[gpu::CHECKS]),
];

/// Checks that are about the system and not about k3s, so that they are made on balancers too.
const FOR_BALANCERS: [&str; 17] =
    ["B3", "B4", "D5", "D14", "K14", "N1", "N4", "N7", "N8", "W2", "W3", "W6", "P1", "P3", "P4", "P5", "P7"];

/// Whether a check that concerns every node concerns balancers.
pub fn is_for_balancers(id: &str) -> bool {
    FOR_BALANCERS.contains(&id)
}

/// Every check, in a fixed order.
pub fn all() -> impl Iterator<Item = &'static Check> {
    SUBJECTS.iter().flat_map(|(_, groups)| groups.iter()).flat_map(|group| group.iter())
}
