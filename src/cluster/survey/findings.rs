//! What the survey says against a deployment: pure.
//!
//! A finding keeps the host out that it is about, and lets the others go on; one that is about no host in particular
//! keeps everything from being done. What is a node already stays one, whatever is found.

mod clocks;
mod duplicates;
mod links;
mod membership;
mod virtual_address;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Severity, Survey};
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::trouble::Trouble;
use crate::cluster::wanted::Wanted;
use crate::error::{Code, codes};
use crate::node::preflight;
use crate::quote::escape;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its name: `clock`, `ports`, `host-name`; of a check of preflight `D4`.
    pub id: String,
    /// Whether it keeps anything from being done.
    pub severity: Severity,
    /// The host that it is about; otherwise the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What was found.
    pub text: String,
    /// What to do about it.
    pub help: String,
    /// The code of the error that it becomes.
    #[serde(skip)]
    #[schemars(skip)]
    pub code: Code,
}

/// Names of the findings that an administrator may know better about. Others are in the way of what would be done: a node
/// is something else, or is told to check itself, which a policy weighs.
pub const DISPUTABLE: [&str; 5] = ["clock", "ports", "host-name", "machine-id", "virtual-address"];

impl Finding {
    fn of(id: &str, severity: Severity, host: Option<&str>, text: String, help: String) -> Finding {
        let host = host.map(str::to_owned);
        Finding { id: id.to_owned(), severity, host, text, help, code: codes::CLUSTER_BLOCKED }
    }

    fn with_code(self, code: Code) -> Finding {
        Finding { code, ..self }
    }

    /// In one line, with what to do.
    pub fn line(&self) -> String {
        format!("{}: {}; {}", self.id, self.text, self.help)
    }
}

/// Everything that was found, the most general first. `despite` are the names of those that do not block, of
/// [`DISPUTABLE`].
pub fn findings(inventory: &Inventory, survey: &Survey, wanted: &Wanted, despite: &[String]) -> Vec<Finding> {
    let mut findings = membership::findings(inventory, survey);
    findings.extend(servers(inventory));
    findings.extend(virtual_address::findings(inventory, survey, wanted));
    findings.extend(duplicates::findings(inventory, survey, wanted));
    findings.extend(clocks::findings(inventory, survey));
    findings.extend(links::findings(inventory, survey, wanted));
    findings.extend(inventory.hosts.iter().flat_map(|host| checks(host, survey)));
    let may_be =
        |finding: &&mut Finding| DISPUTABLE.contains(&finding.id.as_str()) && despite.contains(&finding.id);
    findings.iter_mut().filter(may_be).for_each(|finding| finding.severity = Severity::Warn);
    findings
}

/// Why a host is left out: all findings that block it, as one; nothing if none does.
pub fn verdict(findings: &[Finding], host: Option<&str>) -> Option<Trouble> {
    let blocking: Vec<&Finding> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Block && finding.host.as_deref() == host)
        .collect();
    let (first, others) = blocking.split_first()?;
    let details = others.iter().map(|finding| finding.line());
    Some(Trouble {
        code: first.code.to_string(),
        message: first.text.clone(),
        details: details.collect(),
        help: Some(first.help.clone()),
    })
}

/// The datastore works while more than half of its members do.
fn servers(inventory: &Inventory) -> Option<Finding> {
    let count = inventory.of_role(Role::Server).count();
    let is_even = count > 0 && count.is_multiple_of(2);
    let borne = count.saturating_sub(1) / 2;
    let text =
        format!("{count} servers bear the loss of {borne}, no more than {} would", count.saturating_sub(1));
    let help = "take an odd number: one, three or five".to_owned();
    is_even.then(|| Finding::of("servers", Severity::Warn, None, text, help))
}

/// What preflight says about a host. A node on which nothing would be changed stays what it is: it is told.
fn checks(host: &Host, survey: &Survey) -> Vec<Finding> {
    let Some(found) = survey.examination(&host.name) else { return Vec::new() };
    let stays = found.changes.as_ref().is_some_and(Vec::is_empty);
    let finding = |check: &super::examine::FailedCheck| {
        let severity = match check.severity {
            preflight::Severity::Block if !stays => Severity::Block,
            preflight::Severity::Block | preflight::Severity::Warn => Severity::Warn,
            preflight::Severity::Info => return None,
        };
        let text = format!("{}: {} (wanted: {})", check.title, escape(&check.measured), check.threshold);
        let help = check
            .remedy
            .as_deref()
            .map_or_else(|| "see docs/preflight.md".to_owned(), |remedy| escape(remedy).into_owned());
        Some(
            Finding::of(&check.id, severity, Some(&host.name), text, help)
                .with_code(codes::PREFLIGHT_BLOCKED),
        )
    };
    found.failed.iter().filter_map(finding).collect()
}

#[cfg(test)]
pub(crate) mod tests;
