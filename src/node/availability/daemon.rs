//! A service of the distribution that runs with a configuration of ours.

use std::time::Duration;

use super::neighbours::Guard;
use crate::error::{Error, Result, codes};
use crate::node::MARKER;
use crate::node::change::Change;
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{File, Resource as _, Service, unit_state};
use crate::node::step::{Outcome, Step};
use crate::node::work::Work;

/// How long such a service may take to start.
const START: Duration = Duration::from_secs(60);

/// What its unit gets besides what the package says. Addresses are there when the network is. haproxy takes as many
/// connections as it may have files open; in a container systemd grants what it can.
const DROP_IN: &str = "[Unit]\nWants=network-online.target\nAfter=network-online.target\n\n\
                       [Service]\nRestart=always\nRestartSec=2s\nLimitNOFILE=65536\n";

/// The step that configures and starts it.
pub(super) struct Daemon {
    /// Name of the step.
    pub(super) step: &'static str,
    /// Its heading.
    pub(super) title: String,
    /// The package that it comes from.
    pub(super) package: &'static str,
    /// Its unit.
    pub(super) unit: &'static str,
    /// Its configuration.
    pub(super) configuration: File,
    /// Asks it about that file.
    pub(super) test: Call,
    /// What has to be so before it runs for the first time.
    pub(super) guard: Option<Guard>,
}

impl Daemon {
    fn service(&self) -> Service {
        Service {
            name: self.unit.to_owned(),
            unit: format!("# {MARKER}.\n{DROP_IN}"),
            is_drop_in: true,
            configuration: vec![self.configuration.content.clone()],
            deadline: START,
        }
    }

    /// Stops where somebody else has configured it: what the package brings may be replaced, and what we wrote.
    fn check_foreign(&self, machine: &Machine) -> Result<()> {
        let path = &self.configuration.path;
        let Some(text) = machine.read_text(path)? else { return Ok(()) };
        let is_ours = text.lines().next().is_some_and(|line| line.contains(MARKER));
        if text.trim().is_empty() || is_ours || self.is_of_package(machine)? {
            return Ok(());
        }
        let message = format!("{} is configured already on this machine, by somebody else", self.package);
        Err(Error::new(codes::FOREIGN_CONFIGURATION, message)
            .with_detail(format!("found `{path}`, which Airlock has not written"))
            .with_help(format!(
                "if nobody needs it, move it away: `mv {path} {path}.before`; if it is needed, let that service hold \
                 the address, and tell Airlock only its name: the kind `external`"
            )))
    }

    /// Whether the configuration is as the package has brought it (dpkg(1), `--verify`): a line for each file that is
    /// not, and a status that says whether there is any.
    fn is_of_package(&self, machine: &Machine) -> Result<bool> {
        let call = Call::new("dpkg").with(["--verify", self.package]);
        let finished = match machine.run(&call) {
            Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => return Ok(false),
            finished => finished?,
        };
        let differs = finished.output.lines().any(|line| line.ends_with(&self.configuration.path));
        Ok(finished.is_well() || !finished.output.is_empty() && !differs)
    }

    /// keepalived 2.2.7, that of Debian 12, ends a test by a signal to itself where there is a script to track. What is
    /// wrong it has said before: silence is a yes.
    fn check_configuration(&self, machine: &Machine) -> Result<()> {
        let finished = machine.run(&self.test)?;
        let is_silent = finished.output.trim().is_empty() && finished.errors.trim().is_empty();
        if finished.is_well() || finished.status.is_none() && is_silent {
            return Ok(());
        }
        let said = finished.into_error(&self.test);
        let message = format!("{} refuses the configuration that was written for it", self.package);
        let refused = Error::new(codes::CONFIGURATION_REFUSED, message).with_help(
            "its service was not touched; see what it says about the settings, then run the same command again",
        );
        Err(said.details().iter().fold(refused, Error::with_detail))
    }

    /// The directory of the configuration goes with the package that has brought it.
    fn own_directory(&self, work: &mut Work<'_>) -> Result<()> {
        let is_package = |owned: &Owned| matches!(owned, Owned::Package { name } if name.split(':').next() == Some(self.package));
        let is_brought = work.owned().iter().any(is_package);
        match self.configuration.path.rsplit_once('/') {
            Some((directory, _)) if is_brought => work.own(Owned::Directory { path: directory.to_owned() }),
            _ => Ok(()),
        }
    }
}

impl Step for Daemon {
    fn name(&self) -> &'static str {
        self.step
    }

    fn title(&self) -> String {
        self.title.clone()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        self.check_foreign(machine)?;
        let is_active = unit_state(machine, self.unit)?.active == "active";
        if let (Some(guard), false) = (&self.guard, is_active) {
            guard.check(machine)?;
        }
        let changes = [self.configuration.check(machine)?, self.service().check(machine)?];
        Ok(changes.into_iter().flatten().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        self.own_directory(work)?;
        if self.configuration.check(work.machine())?.is_some() {
            self.configuration.make(work)?;
        }
        self.check_configuration(work.machine())?;
        if self.service().check(work.machine())?.is_some() {
            self.service().make(work)?;
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::{Finished, Programs};

    /// A service that answers so when it is asked about its configuration.
    struct Answering(Finished);

    impl Programs for Answering {
        fn run(&self, _: &Call) -> io::Result<Finished> {
            Ok(self.0.clone())
        }
    }

    fn tested(status: Option<i32>, errors: &str) -> Result<()> {
        let daemon = Daemon {
            step: "keepalived",
            title: String::new(),
            package: "keepalived",
            unit: "keepalived.service",
            configuration: File::new("/etc/keepalived/keepalived.conf", String::new()),
            test: Call::new("keepalived").with(["--config-test"]),
            guard: None,
        };
        let finished = Finished { status, errors: errors.to_owned(), ..Finished::default() };
        let root = tempfile::tempdir().unwrap();
        daemon.check_configuration(&Machine::new(root.path(), Arc::new(Answering(finished))))
    }

    #[test]
    fn a_test_that_ends_itself_by_a_signal_without_a_word_is_a_yes() {
        assert!(tested(Some(0), "").is_ok() && tested(None, "").is_ok());
        assert!(tested(Some(0), "(Line 3) a warning\n").is_ok());
        for (status, said) in [(None, "(Line 7) unknown keyword\n"), (Some(5), "")] {
            let error = tested(status, said).unwrap_err();
            assert_eq!(error.code(), codes::CONFIGURATION_REFUSED);
            assert!(said.is_empty() || error.details()[0].contains("unknown keyword"), "{error:?}");
        }
    }
}
