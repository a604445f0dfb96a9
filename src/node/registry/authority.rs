//! The certificates that this node knows registries by: that of its own, and those that the operator has given.

use super::certificates;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::k3s::paths::REGISTRY_CA;
use crate::node::machine::Machine;
use crate::node::resource::{File, Resource, Resources};
use crate::node::step::names;
use crate::node::work::Work;
use crate::registry::tls::CERTIFICATE;

/// Where the registry of the node has its own certificate.
pub fn own() -> String {
    format!("{}/{CERTIFICATE}", super::DIRECTORY)
}

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The registry of this node has made it; those of others come after it.
    Own {
        /// Certificates of the registries of other nodes, in PEM.
        others: Option<Vec<u8>>,
    },
    /// It was given: one or several certificates in PEM.
    Given(Vec<u8>),
}

impl Authority {
    /// The step that puts it where containerd looks for it.
    pub fn step(self) -> Resources {
        Resources::new(names::REGISTRY_CA, "Trust the registry").with(self)
    }

    /// The certificate in PEM; nothing as long as there is none.
    ///
    /// # Errors
    /// [`NODE_FILE`](crate::error::codes::NODE_FILE); [`REGISTRY_AUTHORITY`](crate::error::codes::REGISTRY_AUTHORITY)
    /// if one is damaged.
    pub fn read(&self, machine: &Machine) -> Result<Option<Vec<u8>>> {
        match self {
            Authority::Own { others } => match (machine.read(&own())?, others) {
                (Some(own), Some(others)) => certificates::union(&[&own, others]).map(Some),
                (own, _) => Ok(own),
            },
            Authority::Given(bytes) => Ok(Some(bytes.clone())),
        }
    }
}

impl Resource for Authority {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        match self.read(machine)? {
            Some(content) => File::new(REGISTRY_CA, content).check(machine),
            None => Ok(Some(Change::new(Verb::Create, REGISTRY_CA).with_detail("0644"))),
        }
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        match self.read(work.machine())? {
            Some(content) => File::new(REGISTRY_CA, content).make(work),
            // The registry makes it; without one the check after the step says what is missing.
            None => Ok(()),
        }
    }
}
