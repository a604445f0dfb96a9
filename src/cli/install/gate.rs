//! The gate of an installation: whether the machine can become the node that is wanted, and what is put right first.

use super::InstallArgs;
use crate::bundle::manifest::Manifest;
use crate::cli::session::Session;
use crate::cli::site_policy;
use crate::error::{Error, Result, codes};
use crate::node::facts::{Facts, Host};
use crate::node::install::{self, Preparation};
use crate::node::machine::Machine;
use crate::node::preflight::mend::{self, Mending};
use crate::node::preflight::{Circumstances, Finding, Report, Severity, examine, mendings};
use crate::node::settings::Settings;
use crate::quote::escape;

const DO_IT: &str = "do what each note says, then run the same command again; where the site wants it otherwise, a \
                     policy weighs a check differently: `--policy FILE`";
const FIX: &str =
    "run the same command with `--fix`, which puts right what it safely can; do the rest as each note says";

/// The machine, looked at once: what it is, what is wanted of it, and what can be put right.
pub(super) struct Survey {
    pub(super) facts: Facts,
    circumstances: Circumstances,
    possible: Vec<Mending>,
}

impl Survey {
    /// Looks at the machine, for an installation of this bundle.
    pub(super) fn of(settings: &Settings, manifest: &Manifest, machine: &Machine) -> Survey {
        let circumstances = install::circumstances(settings, manifest);
        let facts = Facts::gather(&Host::this(), &circumstances.request());
        let possible = mend::possible(mendings(&facts, &circumstances), machine);
        Survey { facts, circumstances, possible }
    }

    /// What is to be done first. What is worth a warning is told; what is in the way ends the run.
    pub(super) fn pass(
        &self,
        arguments: &InstallArgs,
        settings: &Settings,
        machine: &Machine,
        session: &Session,
    ) -> Result<Preparation> {
        let Survey { facts, circumstances, possible } = self;
        let policy = site_policy::read(arguments.policy.as_deref(), machine)?;
        let foreseen = examine(&mend::foresee(facts, possible), circumstances, &policy);
        let report = match settings.fix {
            true => foreseen,
            false => {
                let report = examine(facts, circumstances, &policy);
                if foreseen.blocking < report.blocking {
                    return Err(refused(&report).with_help(FIX));
                }
                report
            }
        };
        for finding in report.failed(Severity::Warn) {
            session.warn(&sentence(finding));
        }
        if report.blocks() {
            return Err(refused(&report).with_help(DO_IT));
        }
        let policy = arguments.policy.as_deref().map(site_policy::bytes).transpose()?;
        Ok(Preparation { policy, ..self.preparation(settings) })
    }

    /// What an installation that is there has put right, or would today.
    pub(super) fn preparation(&self, settings: &Settings) -> Preparation {
        let mendings = if settings.fix { self.possible.clone() } else { Vec::new() };
        Preparation { policy: None, mendings }
    }
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
