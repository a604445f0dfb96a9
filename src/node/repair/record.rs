//! Writes the record of the bundle in the store again, and the names that it gave.

use crate::bundle::manifest::Manifest;
use crate::bundle::names;
use crate::bundle::signed::SignedManifest;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::registry::STORE;
use crate::node::step::{self, Outcome, Step};
use crate::node::verify::signature;
use crate::node::work::Work;
use crate::oci::digest::Digest;
use crate::store::Store;
use crate::trust::Policy;

/// The step that writes the record.
pub struct Record {
    /// What is in the bundle.
    pub manifest: Manifest,
    /// Its identity.
    pub digest: Digest,
    /// Whom the node believes.
    pub policy: Policy,
    /// The manifest as it was signed, if somebody has it.
    pub signed: Option<SignedManifest>,
}

impl Record {
    fn bundle(&self) -> String {
        names::stem(&self.manifest.name, &self.manifest.version)
    }
}

impl Step for Record {
    fn name(&self) -> &'static str {
        step::names::STORE_RECORD
    }

    fn title(&self) -> String {
        format!("Write the record of {} in the store again", self.bundle())
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        match signature::damage(machine, &self.digest, &self.policy) {
            // An import makes it.
            Err(error) if error.code() == codes::STORE_MISSING => Ok(Vec::new()),
            found => Ok(found?
                .into_iter()
                .map(|line| Change::new(Verb::Replace, STORE).with_detail(line))
                .collect()),
        }
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let Some(signed) = &self.signed else {
            let bundle = self.bundle();
            let message = format!("nobody has the signed manifest of {bundle} ({})", self.digest);
            return Err(Error::new(codes::NODE_REPAIR, message)
                .with_help(format!("bring the medium of {bundle}: `airlock node repair --from MEDIUM`")));
        };
        let store = Store::open(&work.machine().path(STORE))?;
        store.restore_record(signed, &self.manifest)?;
        Ok(Outcome::Done)
    }
}
