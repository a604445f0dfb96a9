//! Do the pinned signers still vouch for the manifest that the node has?

use super::{Finding, Part};
use crate::error::{Error, Result, codes};
use crate::node::install::Context;
use crate::node::machine::Machine;
use crate::node::origin::stored::Stored;
use crate::node::registry::STORE;
use crate::node::settings::Registry;
use crate::node::trust::signers;
use crate::oci::digest::Digest;
use crate::store::Store;
use crate::trust::Policy;
use crate::trust::allowed_signers::AllowedSigners;
use crate::trust::policy::Unsigned;
use crate::trust::revoked::RevokedKeys;

/// How the manifest and the names of a store come back.
const RECORD: &str = "written again from the medium, or from a node that has the bundle";

/// The manifest that the bundle was opened with was verified then. The store has another copy of it, for other
/// nodes and for later runs, which is read here as it lies.
pub(super) fn part(context: &Context) -> Part {
    let mut part = Part { checked: context.signed_by.len() as u64, ..Part::new("signature", "signature") };
    if !matches!(context.settings.registry, Registry::Own { in_place: false, .. }) {
        return part;
    }
    let digest = context.origin.digest();
    match policy(context).and_then(|policy| damage(&context.machine, &digest, &policy)) {
        Ok(lines) => {
            part.findings.extend(lines.into_iter().map(|line| Finding::new(STORE, line, RECORD)));
        }
        Err(error) if error.code() == codes::STORE_MISSING => {
            part.findings.push(Finding::new(STORE, "is missing", RECORD));
        }
        Err(error) => part.findings.push(Finding::failed(STORE, &error)),
    }
    part
}

/// What is wrong with the record of a bundle in the store of a machine, a line each.
///
/// # Errors
/// If the store cannot be read.
pub(in crate::node) fn damage(machine: &Machine, digest: &Digest, policy: &Policy) -> Result<Vec<String>> {
    let store = Store::open(&machine.path(STORE))?;
    let damage = store.record_damage(digest)?;
    if !damage.is_empty() {
        return Ok(damage);
    }
    let signed = Stored::signed(&store, digest)?;
    let verified = signed.map_or(Ok(()), |signed| signed.verify(policy).map(drop));
    let told =
        |error: Error| format!("the manifest {digest} in the store is not believed: {}", error.message());
    Ok(verified.err().map(told).into_iter().collect())
}

/// That of the node. A bundle without signature that was accepted as such stays accepted.
///
/// # Errors
/// If its lists cannot be understood.
pub(in crate::node) fn policy(context: &Context) -> Result<Policy> {
    let list = context.signers.as_deref().unwrap_or_default();
    let revoked = context.machine.read(signers::REVOKED)?;
    let is_unsigned = context.signed_by.is_empty();
    Ok(Policy {
        allowed: AllowedSigners::parse(signers::PATH, list)?,
        revoked: revoked
            .map_or(Ok(RevokedKeys::default()), |bytes| RevokedKeys::parse(signers::REVOKED, &bytes))?,
        threshold: 1,
        unsigned: if is_unsigned { Unsigned::AllowLoudly } else { Unsigned::Refuse },
        minimum_serial: None,
    })
}
