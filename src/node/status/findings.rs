//! What is wrong with a node, and what may become so. Pure: from what was seen to words with the way out.

use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, LastRun, Status, Storage};
use crate::node::receive;
use crate::node::trust::clock;

/// Less free space than that, in bytes, is soon none …
const LEAST_FREE: u64 = 5 << 30;
/// … and so is less than this part of the file system.
const LEAST_PART: u64 = 10;

/// What starts again so often does not work, even if it runs at the moment.
const MANY_RESTARTS: u32 = 5;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub text: String,
    /// What to do.
    pub help: String,
}

impl Finding {
    fn new(text: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding { text: text.into(), help: help.into() }
    }
}

/// Problems and warnings. `seen` is the latest time that the node has seen.
pub fn judge(status: &Status, now: Timestamp, seen: Option<Timestamp>) -> (Vec<Finding>, Vec<Finding>) {
    if !status.is_node {
        return (Vec::new(), Vec::new());
    }
    (problems(status), warnings(status, now, seen))
}

fn problems(status: &Status) -> Vec<Finding> {
    let mut problems: Vec<Finding> = status.last_run.iter().filter_map(unfinished).collect();
    for service in status.services.iter().filter(|service| !service.is_up()) {
        let state = if service.state.is_empty() { "not there" } else { &service.state };
        problems.push(Finding::new(
            format!("{} is {state}", service.name),
            format!("`journalctl -u {}` says why; `sudo airlock install` puts it right", service.name),
        ));
    }
    if let Some(registry) = status.registry.as_ref().filter(|registry| registry.answers == Some(false)) {
        let why = registry.why.as_deref().unwrap_or("no reason is known");
        problems.push(Finding::new(
            format!("no registry answers at {}: {why}", registry.endpoints.join(", ")),
            "look at its service, `systemctl status airlock-registry`; `sudo airlock install` puts it right",
        ));
    }
    if let Some(why) = status.cluster.as_ref().and_then(|cluster| cluster.why.as_ref()) {
        problems.push(Finding::new(
            format!("the cluster does not say that {} is ready: {why}", status.name),
            format!("`sudo k3s kubectl describe node {}` on a server says more", status.name),
        ));
    }
    problems
}

/// What is to be done about a command that has not done everything.
fn unfinished(run: &LastRun) -> Option<Finding> {
    let command = match run.command.as_str() {
        "install" => "sudo airlock install".to_owned(),
        other => format!("sudo airlock node {}", other.trim_start_matches("node ")),
    };
    let again = || match run.command.as_str() {
        receive::COMMAND => {
            "run the `airlock cluster` command again that has sent it; it continues".to_owned()
        }
        _ => format!("run `{command}` again; it continues"),
    };
    let within =
        |step: &Option<String>| step.as_ref().map(|step| format!(" in step {step}")).unwrap_or_default();
    let finding = match &run.ending {
        Ending::Finished | Ending::Running { .. } => return None,
        Ending::Failed { step, code } => {
            Finding::new(format!("the last {} failed in step {step} ({code})", run.command), again())
        }
        Ending::Interrupted { step } => {
            Finding::new(format!("the last {} was interrupted{}", run.command, within(step)), again())
        }
        Ending::RebootNeeded { step } => Finding::new(
            format!("the machine has to be restarted{}, before {} goes on", within(step), run.command),
            "`sudo reboot`; afterwards it continues by itself",
        ),
        Ending::Rebooted { step } => Finding::new(
            format!("the machine was restarted{}, and {} has not gone on", within(step), run.command),
            format!("`journalctl -u airlock-resume` says why; {}", again()),
        ),
    };
    Some(finding)
}

fn warnings(status: &Status, now: Timestamp, seen: Option<Timestamp>) -> Vec<Finding> {
    let mut warnings = Vec::new();
    for endpoint in status.registry.iter().flat_map(|registry| &registry.silent) {
        warnings.push(Finding::new(
            format!("the registry at {endpoint} does not answer; others do"),
            "`systemctl status airlock-registry` on that node says why",
        ));
    }
    if let Err(error) = clock::check(now, seen) {
        let help = error.help().unwrap_or_default();
        warnings
            .push(Finding::new(error.message(), help.replace("the same command", "`sudo airlock install`")));
    }
    for service in status.services.iter().filter(|service| service.restarts >= MANY_RESTARTS) {
        warnings.push(Finding::new(
            format!("{} was started again {} times", service.name, service.restarts),
            format!("`journalctl -u {}` says why", service.name),
        ));
    }
    if status.storage.as_ref().is_some_and(is_short) {
        warnings.push(Finding::new(
            "the disk of the store is almost full",
            "`airlock store gc --dry-run` shows what is not needed any more",
        ));
    }
    if status.gpu.wanted && status.gpu.count > 0 && status.gpu.driver.is_none() {
        warnings.push(Finding::new(
            "there are GPUs, and no driver of NVIDIA is loaded",
            "install a bundle with `nvidia`, or leave them out: `sudo airlock install --gpu no`",
        ));
    }
    for bundle in status.bundles.iter().filter(|bundle| bundle.signers.is_empty()) {
        let text = format!("nobody has signed the bundle of channel {}", bundle.channel);
        warnings.push(Finding::new(text, "have it signed, `airlock bundle sign`, and install it again"));
    }
    warnings
}

fn is_short(storage: &Storage) -> bool {
    storage.free < LEAST_FREE || storage.free < storage.total / LEAST_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_of_a_failure_is_the_command_that_has_failed() {
        let help = |command: &str| {
            let ending = Ending::Interrupted { step: Some("store".to_owned()) };
            let run =
                LastRun { command: command.to_owned(), version: String::new(), at: String::new(), ending };
            unfinished(&run).unwrap().help
        };
        assert_eq!(help("install"), "run `sudo airlock install` again; it continues");
        assert_eq!(help("reset"), "run `sudo airlock node reset` again; it continues");
        assert_eq!(help("node repair"), "run `sudo airlock node repair` again; it continues");
        assert!(help("node receive").starts_with("run the `airlock cluster` command again"));
    }
}
