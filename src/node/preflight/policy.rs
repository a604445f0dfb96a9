//! How a site weighs the checks: severities by id, each with its reason. `spec::preflight` reads the file.

use std::collections::BTreeMap;

use super::Severity;
use crate::spec::preflight;

/// Where the policy of the site is kept on a node.
pub const PATH: &str = "/etc/airlock/preflight-policy.yaml";

/// How a site weighs the checks; by default as they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    rules: BTreeMap<String, Rule>,
}

/// How a site weighs one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How much it matters that the check fails, whatever the degree.
    pub severity: Severity,
    /// Why.
    pub reason: String,
}

impl From<Vec<preflight::Rule>> for Policy {
    fn from(rules: Vec<preflight::Rule>) -> Self {
        let severity = |word: &str| match word {
            "block" => Severity::Block,
            "warn" => Severity::Warn,
            _ => Severity::Info,
        };
        let rule = |rule: preflight::Rule| {
            (rule.id, Rule { severity: severity(rule.severity), reason: rule.reason })
        };
        Policy::new(rules.into_iter().map(rule))
    }
}

impl Policy {
    /// A policy of these rules, by the ids of checks.
    pub fn new(rules: impl IntoIterator<Item = (String, Rule)>) -> Self {
        Policy { rules: rules.into_iter().collect() }
    }

    /// What it says about a check.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(id)
    }
}
