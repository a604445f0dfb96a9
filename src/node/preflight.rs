//! Whether a machine can become a node: checks with what they measured, what is wanted, and the way out.
//!
//! A check is data and a pure function from [`Facts`] and [`Circumstances`] to an [`Outcome`]; all are listed in
//! [`checks::all`]. What they find becomes a [`Report`], in which a [`Policy`] of the site may weigh things
//! differently. [`mend`] plans what can safely be put right, and does it. `docs/preflight.md` lists every check.

pub mod bundle;
pub mod checks;
pub mod circumstances;
pub mod disk_speed;
pub mod mend;
mod outcome;
pub mod policy;
mod report;

use serde::{Deserialize, Serialize};

pub use self::circumstances::{Circumstances, GpuWish, Role};
use self::mend::Mending;
pub use self::outcome::Outcome;
pub use self::policy::Policy;
pub use self::report::{Finding, Report, Verdict};
use crate::node::facts::Facts;

/// How much it matters that a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something may go wrong.
    Warn,
    /// The machine cannot become a node.
    Block,
}

impl Severity {
    /// The word for it, as policies have it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Block => "block",
        }
    }
}

/// Whom a check concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Concern {
    /// Every node; a balancer as far as it is not about k3s ([`checks::is_for_balancers`]).
    All,
    /// Servers, which run the control plane, etcd and the registry.
    Server,
    /// Agents.
    Agent,
    /// Nodes with NVIDIA GPUs.
    Gpu,
}

/// A check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Its name, for policies; never used again for anything else.
    pub id: &'static str,
    /// What it looks at.
    pub title: &'static str,
    /// How much it matters if it fails; of several degrees the worst.
    pub severity: Severity,
    /// What is wanted.
    pub threshold: &'static str,
    /// Whom it concerns.
    pub concern: Concern,
    /// Looks.
    pub examine: fn(&Facts, &Circumstances) -> Outcome,
    /// What `--fix` does about it, if it may; nothing where there is nothing to do.
    pub mend: Option<fn(&Facts, &Circumstances) -> Vec<Mending>>,
}

impl Check {
    /// Whether the check has anything to say about such a node.
    pub fn concerns(&self, facts: &Facts, circumstances: &Circumstances) -> bool {
        match self.concern {
            Concern::All => circumstances.role != Role::Balancer || checks::is_for_balancers(self.id),
            Concern::Server => circumstances.role == Role::Server,
            Concern::Agent => circumstances.role == Role::Agent,
            Concern::Gpu => circumstances.role != Role::Balancer && circumstances.has_gpu(facts),
        }
    }
}

/// What `--fix` would do: about every check that concerns such a node and is not, or at the next start would not be,
/// as it should; each once.
pub fn mendings(facts: &Facts, circumstances: &Circumstances) -> Vec<Mending> {
    let concerned = checks::all().filter(|check| check.concerns(facts, circumstances));
    let mut mendings: Vec<Mending> =
        concerned.filter_map(|check| check.mend).flat_map(|mend| mend(facts, circumstances)).collect();
    mendings.sort_unstable();
    mendings.dedup();
    mendings
}

/// Examines a machine: every check that concerns such a node, in the order of [`checks::all`].
pub fn examine(facts: &Facts, circumstances: &Circumstances, policy: &Policy) -> Report {
    let concerned = checks::all().filter(|check| check.concerns(facts, circumstances));
    let findings = concerned.map(|check| Finding::of(check, (check.examine)(facts, circumstances), policy));
    Report::new(findings.collect())
}
