//! What is done on one host.

use schemars::JsonSchema;
use serde::Serialize;

use super::Medium;
use crate::cluster::survey::Survey;
use crate::cluster::survey::examine::ChangedStep;
use crate::cluster::survey::findings::{Finding, verdict};
use crate::cluster::trouble::Trouble;
use crate::error::codes;
use crate::node::settings::Settings;

/// What is done on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Work {
    /// Nothing: it is as it should be.
    Nothing,
    /// It becomes a node.
    Install,
    /// An installation that did not come to its end goes on.
    Continue,
    /// It is a node, and something about it changes.
    Change {
        /// Steps of the installation that change something.
        steps: Vec<ChangedStep>,
    },
    /// Nothing, although it is not as it should be.
    LeaveOut {
        /// Why.
        why: Trouble,
    },
}

impl Work {
    /// Whether anything is done.
    pub fn is_due(&self) -> bool {
        matches!(self, Work::Install | Work::Continue | Work::Change { .. })
    }
}

/// What is done on a host, by what is known of it.
pub(super) fn work(
    host: &str,
    survey: &Survey,
    findings: &[Finding],
    settings: Option<&Settings>,
    bundle: &Medium,
) -> Work {
    let look = match survey.looks.get(host) {
        Some(Ok(look)) => look,
        Some(Err(why)) => return Work::LeaveOut { why: why.clone() },
        None => return Work::LeaveOut { why: not_asked() },
    };
    if let Some(why) = verdict(findings, Some(host)) {
        return Work::LeaveOut { why };
    }
    if settings.is_none() {
        // Its own address is known, or there would be a finding.
        return Work::LeaveOut { why: no_settings() };
    }
    if let Some(Err(why)) = survey.examinations.get(host) {
        return Work::LeaveOut { why: why.clone() };
    }
    let has_bundle = look.status.bundles.iter().any(|installed| installed.manifest == bundle.manifest);
    let changes = survey.examination(host).and_then(|found| found.changes.as_ref());
    match changes {
        Some(steps) if steps.is_empty() => Work::Nothing,
        Some(steps) if has_bundle => Work::Change { steps: steps.clone() },
        _ if look.status.is_node => Work::Continue,
        _ => Work::Install,
    }
}

fn not_asked() -> Trouble {
    Trouble {
        code: codes::INTERRUPTED.to_string(),
        message: "it was not asked".to_owned(),
        details: Vec::new(),
        help: Some("run the same command again".to_owned()),
    }
}

fn no_settings() -> Trouble {
    Trouble {
        code: codes::HOST_WAITS.to_string(),
        message: "the address of the server that it joins is not known".to_owned(),
        details: Vec::new(),
        help: Some(
            "put right what is told about the first server, then run the same command again".to_owned(),
        ),
    }
}
