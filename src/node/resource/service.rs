//! A systemd service of ours: its unit, and a process that runs with the configuration that it should have.

use std::time::Duration;

use super::{File, Resource};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::work::Work;
use crate::oci::digest::Digest;

/// Where units of the administrator lie.
const UNITS: &str = "/etc/systemd/system";

/// The variable by which a process tells which configuration it was started with.
const VARIABLE: &str = "AIRLOCK_CONFIGURATION";

/// What ends by itself so often while it starts will not start later either.
const MOST_RESTARTS: u32 = 5;

/// Lines of its log that an error repeats.
const TOLD: &str = "15";

/// A service that is enabled and runs.
///
/// Whether a running process has read the present configuration is asked of the process itself: its unit puts a
/// digest of the configuration into its environment. So a kill between the change of a file and the restart
/// leaves nothing behind that the next run could overlook.
#[derive(Clone, Debug)]
pub struct Service {
    /// Name of the unit, with suffix.
    pub name: String,
    /// Text of the unit up to and with the last line of `[Service]`, which comes last.
    pub unit: String,
    /// Whether that text only adds to the unit of a package (systemd.unit(5), "drop-in").
    pub is_drop_in: bool,
    /// Everything that a running process must have been started with: contents of configuration files.
    pub configuration: Vec<Vec<u8>>,
    /// How long it may take to become active.
    pub deadline: Duration,
}

/// Has systemd read the units as they are now, and start these at boot: with one reload, which costs a small machine
/// half a second of work; `enable` would make a second one.
///
/// # Errors
/// [`codes::NODE_PROGRAM`] if systemd refuses.
pub fn enable<'a>(work: &mut Work<'_>, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    work.run(Call::new("systemctl").with(["enable", "--quiet", "--no-reload"]).with(names))?;
    work.run(Call::new("systemctl").with(["daemon-reload"])).map(drop)
}

/// What systemd says about a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// `active`, `activating`, `failed`, …
    pub active: String,
    /// More exactly: `running`, `auto-restart`, …
    pub sub: String,
    /// `enabled`, `disabled`, …; empty if there is no such unit.
    pub file: String,
    /// Process id of the main process, 0 without one.
    pub pid: u32,
    /// How often it was started again by itself.
    pub restarts: u32,
    /// Names this time that it runs, and no other (systemd.exec(5), `$INVOCATION_ID`); empty if it never ran.
    pub invocation: String,
}

impl Service {
    fn digest(&self) -> Digest {
        let mut all = self.unit.clone().into_bytes();
        for part in &self.configuration {
            all.extend_from_slice(Digest::of(part).hex().as_bytes());
        }
        Digest::of(&all)
    }

    /// The unit as it is written.
    pub fn file(&self) -> File {
        let text = format!("{}Environment={VARIABLE}={}\n", self.unit, self.digest().hex());
        let path = match self.is_drop_in {
            true => format!("{UNITS}/{}.d/airlock.conf", self.name),
            false => format!("{UNITS}/{}", self.name),
        };
        File::new(path, text)
    }

    /// Whether the main process was started with this configuration.
    fn is_current(&self, machine: &Machine, state: &State) -> Result<bool> {
        let environment = machine.read(&format!("/proc/{}/environ", state.pid))?.unwrap_or_default();
        let wanted = format!("{VARIABLE}={}", self.digest().hex());
        Ok(environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes()))
    }
}

impl Resource for Service {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let unit = self.file().check(machine)?;
        let state = state(machine, &self.name)?;
        let verb = match state.active.as_str() {
            "active" if unit.is_none() && self.is_current(machine, &state)? => {
                let is_enabled = state.file == "enabled";
                return Ok(
                    (!is_enabled).then(|| Change::new(Verb::Replace, &self.name).with_detail("enable"))
                );
            }
            "active" => Verb::Restart,
            _ => Verb::Start,
        };
        Ok(Some(Change::new(verb, &self.name)))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        work.own(Owned::Unit { name: self.name.clone() })?;
        self.file().make(work)?;
        enable(work, [self.name.as_str()])?;
        // A unit that failed too often is not started any more until it is forgiven.
        work.machine().run(&Call::new("systemctl").with(["reset-failed", &self.name]))?;
        let machine = work.machine();
        let before = state(machine, &self.name)?.invocation;
        work.run(Call::new("systemctl").with(["restart", "--no-block", &self.name]))?;
        let what = format!("{} to run", self.name);
        let waited = work.wait_for(&what, self.deadline, || {
            let state = state(machine, &self.name)?;
            // The job is only queued: for a moment the process is there still that is to be replaced.
            let is_new = state.invocation != before;
            let is_up = is_new && state.active == "active" && self.is_current(machine, &state)?;
            match is_up {
                true => Ok(Ok(())),
                false if state.active == "failed" || state.restarts >= MOST_RESTARTS => {
                    Err(self.failed(machine))
                }
                false => Ok(Err(format!("{} ({})", state.active, state.sub))),
            }
        });
        waited.map_err(|error| match error.code() {
            codes::NODE_DEADLINE => with_log(error, machine, &self.name),
            _ => error,
        })
    }
}

impl Service {
    fn failed(&self, machine: &Machine) -> Error {
        let error = Error::new(codes::NODE_SERVICE, format!("{} does not start", self.name)).with_help(
            format!("`journalctl -u {}` says more; mend it and run the same command again", self.name),
        );
        with_log(error, machine, &self.name)
    }
}

/// Asks systemd about a unit.
///
/// # Errors
/// As for [`Machine::run_well`].
pub fn state(machine: &Machine, name: &str) -> Result<State> {
    let properties = "--property=ActiveState,SubState,UnitFileState,MainPID,NRestarts,InvocationID";
    let finished = machine.run_well(&Call::new("systemctl").with(["show", properties, name]))?;
    let mut state = State::default();
    for (key, value) in finished.output.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "ActiveState" => state.active = value.to_owned(),
            "SubState" => state.sub = value.to_owned(),
            "UnitFileState" => state.file = value.to_owned(),
            "MainPID" => state.pid = value.parse().unwrap_or_default(),
            "NRestarts" => state.restarts = value.parse().unwrap_or_default(),
            "InvocationID" => state.invocation = value.to_owned(),
            _ => {}
        }
    }
    Ok(state)
}

/// The error with the last lines of the log of a unit.
pub fn with_log(error: Error, machine: &Machine, name: &str) -> Error {
    let call = Call::new("journalctl").with(["--no-pager", "--output=cat", "--lines", TOLD, "--unit", name]);
    // The log is an extra: without it the error is still the error.
    let Ok(finished) = machine.run(&call) else { return error };
    finished
        .output
        .lines()
        .fold(error, |error, line| error.with_detail(crate::quote::escape(line).into_owned()))
}
