//! The policy of the site: how it weighs the checks of preflight, as typed or as kept on the node.

use std::path::Path;

use super::files;
use crate::error::Result;
use crate::node::machine::Machine;
use crate::node::preflight::{Policy, checks, policy};
use crate::spec;

/// The policy in `given`, else the one that is kept on the machine, else none.
pub(super) fn read(given: Option<&Path>, machine: &Machine) -> Result<Policy> {
    match given {
        Some(path) => parse(&bytes(path)?, &path.to_string_lossy()),
        None => match machine.read(policy::PATH)? {
            Some(bytes) => parse(&bytes, policy::PATH),
            None => Ok(Policy::default()),
        },
    }
}

/// The bytes of a file with a policy.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>> {
    files::read(path, "preflight policy", spec::MAX_BYTES as u64)
}

fn parse(bytes: &[u8], name: &str) -> Result<Policy> {
    let ids: Vec<&str> = checks::all().map(|check| check.id).collect();
    spec::preflight::parse(bytes, name, &ids).map(Policy::from)
}
