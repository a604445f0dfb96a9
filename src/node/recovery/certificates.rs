//! Certificates of k3s: how long they are valid, and new ones in place of those that are not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::stop::Stop;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::k3s::paths;
use crate::node::machine::{Call, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// What `k3s certificate check -o json` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// All of them, those of authorities included.
    #[serde(rename = "Certificates", default)]
    pub all: Vec<Certificate>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Certificate {
    /// Name of its file.
    pub filename: String,
    /// Its subject.
    #[serde(default)]
    pub subject: String,
    /// When it ends.
    pub expiry_time: Timestamp,
}

impl Certificates {
    /// Reads what k3s has printed.
    ///
    /// # Errors
    /// [`codes::REMOTE_ANSWER`].
    pub fn parse(json: &str) -> Result<Certificates> {
        serde_json::from_str(json).map_err(|error| {
            Error::new(codes::REMOTE_ANSWER, "what k3s says about its certificates cannot be understood")
                .with_help("run `sudo k3s certificate check` on the node")
                .with_source(error)
        })
    }

    /// Those that are not valid any more.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = &Certificate> {
        self.all.iter().filter(move |certificate| certificate.expiry_time <= now)
    }

    /// The one that ends first.
    pub fn first(&self) -> Option<&Certificate> {
        self.all.iter().min_by_key(|certificate| certificate.expiry_time)
    }
}

/// The step that puts expired certificates out of the way; k3s makes them anew when it starts.
pub(super) struct Rotate {
    pub(super) unit: String,
    pub(super) data_directory: String,
}

impl Rotate {
    fn call(&self, verb: &str) -> Call {
        Call::new(paths::PROGRAM).with(["certificate", verb, "--data-dir", &self.data_directory])
    }
}

impl Step for Rotate {
    fn name(&self) -> &'static str {
        names::RECOVERY_CERTIFICATES
    }

    fn title(&self) -> String {
        "Let k3s make its certificates anew".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let finished = machine.run_well(&self.call("check").with(["--output", "json"]))?;
        let certificates = Certificates::parse(&finished.output)?;
        let change = |certificate: &Certificate| {
            let expired = format!("expired {:.0}", certificate.expiry_time);
            Change::new(Verb::Replace, &certificate.filename).with_detail(expired)
        };
        Ok(certificates.expired(Timestamp::now()).map(change).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        // k3s refuses to change what it uses.
        Stop { unit: self.unit.clone() }.act(work)?;
        work.run(self.call("rotate"))?;
        Ok(Outcome::Done)
    }
}
