//! What is done to the machine before anything is installed on it.

use crate::node::preflight::mend::{self, Mending};
use crate::node::preflight::policy;
use crate::node::resource::{File, Resources};
use crate::node::step::{Step, names};

/// What preflight wants done.
#[derive(Clone, Debug, Default)]
pub struct Preparation {
    /// The policy of the site, if a new one was given, to be kept for later runs.
    pub policy: Option<Vec<u8>>,
    /// What is put right.
    pub mendings: Vec<Mending>,
}

impl Preparation {
    pub(super) fn steps(&self) -> Vec<Box<dyn Step>> {
        let keep = |policy: &Vec<u8>| {
            let step = Resources::new(names::PREFLIGHT_POLICY, "Keep the policy of the site");
            Box::new(step.with(File::new(policy::PATH, policy.clone()))) as Box<dyn Step>
        };
        self.policy.iter().map(keep).chain(mend::steps(&self.mendings)).collect()
    }
}
