//! The gate of an installation: whether the machine can become the node that is wanted, and what is put right first.

use super::InstallArgs;
use crate::bundle::manifest::Manifest;
use crate::cli::session::Session;
use crate::cli::site_policy;
use crate::error::{Error, Result, codes};
use crate::node::facts::{Facts, Host};
use crate::node::install::{self, Preparation};
use crate::node::machine::Machine;
use crate::node::preflight::{Finding, Report, Severity, examine, mend, mendings};
use crate::node::settings::Settings;
use crate::quote::escape;

const DO_IT: &str = "do what each note says, then run the same command again; where the site wants it otherwise, a \
                     policy weighs a check differently: `--policy FILE`";
const FIX: &str =
    "run the same command with `--fix`, which puts right what it safely can; do the rest as each note says";

/// Looks at the machine. What is worth a warning is told; what is in the way ends the run.
pub(super) fn pass(
    arguments: &InstallArgs,
    settings: &Settings,
    manifest: &Manifest,
    machine: &Machine,
    session: &Session,
) -> Result<Preparation> {
    let policy = site_policy::read(arguments.policy.as_deref(), machine)?;
    let circumstances = install::circumstances(settings, manifest);
    let facts = Facts::gather(&Host::this(), &circumstances.request());
    let possible = mend::possible(mendings(&facts, &circumstances), machine);
    let foreseen = examine(&mend::foresee(&facts, &possible), &circumstances, &policy);
    let (mendings, report) = match settings.fix {
        true => (possible, foreseen),
        false => {
            let report = examine(&facts, &circumstances, &policy);
            if foreseen.blocking < report.blocking {
                return Err(refused(&report).with_help(FIX));
            }
            (Vec::new(), report)
        }
    };
    for finding in report.failed(Severity::Warn) {
        session.warn(&sentence(finding));
    }
    if report.blocks() {
        return Err(refused(&report).with_help(DO_IT));
    }
    let policy = arguments.policy.as_deref().map(site_policy::bytes).transpose()?;
    Ok(Preparation { policy, mendings })
}

/// What an installation that is there has put right, or would today.
pub(super) fn preparation(settings: &Settings, manifest: &Manifest, machine: &Machine) -> Preparation {
    if !settings.fix {
        return Preparation::default();
    }
    let circumstances = install::circumstances(settings, manifest);
    let facts = Facts::gather(&Host::this(), &circumstances.request());
    let mendings = mend::possible(mendings(&facts, &circumstances), machine);
    Preparation { policy: None, mendings }
}

/// A finding in one line: the check, what was found, what is wanted, and the way out.
fn sentence(finding: &Finding) -> String {
    let Finding { id, title, threshold, .. } = finding;
    let mut text = format!("{id} {title}: {} (wanted: {threshold})", escape(&finding.measured));
    if let Some(remedy) = &finding.remedy {
        text += &format!("; {}", escape(remedy));
    }
    if let Some(reason) = &finding.policy_reason {
        text += &format!(" (policy: {})", escape(reason));
    }
    text
}

fn refused(report: &Report) -> Error {
    let checks = match report.blocking {
        1 => "1 check blocks".to_owned(),
        many => format!("{many} checks block"),
    };
    let message = format!("this machine cannot become a node as it is: {checks}");
    let error = Error::new(codes::PREFLIGHT_BLOCKED, message);
    report.failed(Severity::Block).fold(error, |error, finding| error.with_detail(sentence(finding)))
}
