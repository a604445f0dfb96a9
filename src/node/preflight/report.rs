//! What all checks found together.

use serde::Serialize;

use super::{Check, Outcome, Policy, Severity};

/// What a check found, weighed by the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check.
    pub id: &'static str,
    /// What it looks at.
    pub title: &'static str,
    /// Whether it is as it should be.
    pub verdict: Verdict,
    /// How much it matters, or would if it failed.
    pub severity: Severity,
    /// What was measured, or why nothing could be.
    pub measured: String,
    /// What is wanted.
    pub threshold: &'static str,
    /// The command or edit that helps.
    pub remedy: Option<String>,
    /// Whether `--fix` can put it right.
    pub fixable: bool,
    /// Why the policy of the site weighs it differently.
    pub policy_reason: Option<String>,
}

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It is.
    Passed,
    /// It is not.
    Failed,
    /// It is not known.
    Unknown,
}

impl Finding {
    pub(super) fn of(check: &Check, outcome: Outcome, policy: &Policy) -> Finding {
        let (verdict, severity, measured, remedy) = match outcome {
            Outcome::Passed { measured } => (Verdict::Passed, check.severity, measured, None),
            Outcome::Failed { severity, measured, remedy } => {
                (Verdict::Failed, severity, measured, Some(remedy))
            }
            Outcome::Unknown { reason } => (Verdict::Unknown, check.severity, reason, None),
        };
        let rule = policy.rule(check.id);
        Finding {
            id: check.id,
            title: check.title,
            verdict,
            severity: rule.map_or(severity, |rule| rule.severity),
            measured,
            threshold: check.threshold,
            remedy,
            fixable: check.mend.is_some(),
            policy_reason: rule.map(|rule| rule.reason.clone()),
        }
    }

    /// Whether it is not as it should be, and that matters so much.
    pub fn fails_with(&self, severity: Severity) -> bool {
        self.verdict == Verdict::Failed && self.severity == severity
    }
}

/// What all checks found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How many checks block.
    pub blocking: usize,
    /// How many warn.
    pub warnings: usize,
    /// How many passed.
    pub passed: usize,
    /// How many could not find out what they look at.
    pub unknown: usize,
    /// What each check found, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Report {
        let count = |is_one: &dyn Fn(&Finding) -> bool| findings.iter().filter(|one| is_one(one)).count();
        Report {
            blocking: count(&|finding| finding.fails_with(Severity::Block)),
            warnings: count(&|finding| finding.fails_with(Severity::Warn)),
            passed: count(&|finding| finding.verdict == Verdict::Passed),
            unknown: count(&|finding| finding.verdict == Verdict::Unknown),
            findings,
        }
    }

    /// Whether the machine cannot become a node as it is.
    pub fn blocks(&self) -> bool {
        self.blocking > 0
    }

    /// The findings that failed and matter so much.
    pub fn failed(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.fails_with(severity))
    }
}
