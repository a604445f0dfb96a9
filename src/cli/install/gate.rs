//! The gate of an installation: whether the machine can become the node that is wanted, and what is put right first.

use super::InstallArgs;
use crate::bundle::manifest::Manifest;
use crate::cli::session::Session;
use crate::cli::site_policy;
use crate::error::{Error, Result, codes};
use crate::node::facts::{Facts, Host};
use crate::node::install::{self, Preparation};
use crate::node::lock;
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
                    return Err(refused(&report, FIX, machine));
                }
                report
            }
        };
        for finding in report.failed(Severity::Warn) {
            session.warn(&sentence(finding));
        }
        if report.blocks() {
            return Err(refused(&report, DO_IT, machine));
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

/// What is in the way, and the way out. While another command changes the machine it may look like anything, such as half
/// installed; then that command is what is in the way.
fn refused(report: &Report, help: &str, machine: &Machine) -> Error {
    if let Err(busy) = lock::refuse_if_held(machine) {
        return busy;
    }
    let checks = match report.blocking {
        1 => "1 check blocks".to_owned(),
        many => format!("{many} checks block"),
    };
    let message = format!("this machine cannot become a node as it is: {checks}");
    let error = Error::new(codes::PREFLIGHT_BLOCKED, message).with_help(help);
    report.failed(Severity::Block).fold(error, |error, finding| error.with_detail(sentence(finding)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::lock::{Holder, Lock};
    use crate::node::machine::SystemPrograms;

    #[test]
    fn while_another_command_works_that_is_what_is_in_the_way() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let report = Report { blocking: 1, warnings: 0, passed: 0, unknown: 0, findings: Vec::new() };
        assert_eq!(refused(&report, DO_IT, &machine).code(), codes::PREFLIGHT_BLOCKED);
        let holder = Holder {
            pid: std::process::id(),
            command: "install".to_owned(),
            since: "2026-01-01T00:00:00Z".to_owned(),
        };
        let lock = Lock::take(&machine, &holder).unwrap();
        fs_err::create_dir_all(root.path().join("proc")).unwrap();
        fs_err::write(root.path().join("proc/locks"), fs_err::read("/proc/locks").unwrap()).unwrap();
        assert_eq!(refused(&report, DO_IT, &machine).code(), codes::NODE_BUSY);
        drop(lock);
    }
}
