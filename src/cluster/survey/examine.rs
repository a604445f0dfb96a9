//! One host, compared with what it should become: preflight, and what an installation would change.

use serde::{Deserialize, Serialize};

use crate::cluster::remote::{self, Command, Remote};
use crate::error::{Result, codes};

/// How a host fits to what it should become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// The checks of preflight that failed.
    pub failed: Vec<FailedCheck>,
    /// What an installation would change, step by step; nothing where the host does not have the bundle yet, and
    /// would become everything.
    pub changes: Option<Vec<ChangedStep>>,
}

/// A check of preflight that failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct FailedCheck {
    /// Its name, such as `D4`.
    pub id: String,
    /// What it looks at.
    pub title: String,
    /// `block`, `warn` or `info`.
    pub severity: crate::node::preflight::Severity,
    /// What was measured.
    pub measured: String,
    /// What is wanted.
    pub threshold: String,
    /// What helps.
    pub remedy: Option<String>,
}

/// A step of an installation that would change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ChangedStep {
    /// Its name in plans.
    pub name: String,
    /// Its heading.
    pub title: String,
}

#[derive(Deserialize)]
struct Report {
    findings: Vec<Checked>,
}

#[derive(Deserialize)]
struct Checked {
    verdict: String,
    #[serde(flatten)]
    check: FailedCheck,
}

#[derive(Deserialize)]
struct Plan {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    name: String,
    title: String,
    changes: Vec<serde_json::Value>,
}

/// The checks that fail on a host.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn preflight(remote: &dyn Remote, command: Command<'_>) -> Result<Vec<FailedCheck>> {
    let answer = remote.run(command, &mut |_| {})?;
    let has_report = answer.status == 0 || answer.error().code() == codes::PREFLIGHT_BLOCKED;
    let report: Report = if has_report { answer.json()? } else { answer.success()?.json()? };
    let failed = report.findings.into_iter().filter(|checked| checked.verdict == "failed");
    Ok(failed.map(|checked| checked.check).collect())
}

/// What an installation would change on a host that has the bundle.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn changes(remote: &dyn Remote, command: Command<'_>) -> Result<Vec<ChangedStep>> {
    let plan: Plan = remote::ask(remote, command)?;
    let changing = plan.steps.into_iter().filter(|step| !step.changes.is_empty());
    Ok(changing.map(|Step { name, title, .. }| ChangedStep { name, title }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::remote::tests::Scripted;
    use crate::node::preflight::Severity;

    #[test]
    fn what_fails_is_told_also_where_it_blocks() {
        let report = r#"{"circumstances": {}, "blocking": 1, "findings": [
            {"id": "D4", "title": "room", "verdict": "failed", "severity": "block", "measured": "1 GiB",
             "threshold": "20 GiB", "remedy": "make room", "fixable": false, "policyReason": null},
            {"id": "N7", "title": "clock", "verdict": "passed", "severity": "block", "measured": "now",
             "threshold": "later", "remedy": null, "fixable": false, "policyReason": null}]}"#;
        let blocked = r#"{"code":"E1001","message":"m","details":[],"causes":[],"help":null}"#;
        let host = Scripted::default().answering("airlock node preflight", 7, report, blocked);
        let failed = preflight(&host, Command::airlock(["node", "preflight"])).unwrap();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].id.as_str(), failed[0].severity), ("D4", Severity::Block));
        let other = r#"{"code":"E1055","message":"root","details":[],"causes":[],"help":null}"#;
        let host = Scripted::default().failing("airlock node preflight", 7, other);
        let error = preflight(&host, Command::airlock(["node", "preflight"])).unwrap_err();
        assert_eq!(error.code(), codes::NOT_ROOT);
    }

    #[test]
    fn steps_that_change_nothing_are_no_changes() {
        let plan = r#"{"steps": [{"name": "settings", "title": "Keep", "changes": []},
            {"name": "k3s", "title": "Start k3s", "changes": [{"verb": "restart", "what": "k3s.service"}]}]}"#;
        let host = Scripted::default().with("airlock install", plan);
        let changes = changes(&host, Command::airlock(["install", "--plan"])).unwrap();
        assert_eq!(changes, [ChangedStep { name: "k3s".to_owned(), title: "Start k3s".to_owned() }]);
    }
}
