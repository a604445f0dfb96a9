//! Restarts in the middle of an installation: a unit that goes on afterwards, and whether the restart has happened.
//!
//! The driver has written the boot that has to end into the journal ([`Entry::Reboot`]). Before the machine is
//! restarted, `airlock-resume.service` is enabled, which runs `airlock install` once at the next boot; settings are
//! kept, so that it needs no options. The last step of every installation takes the unit away again, whether the
//! unit or a person went on.

use super::change::{Change, Verb};
use super::driver::boot;
use super::journal::{Entry, Journal};
use super::machine::{Call, Machine};
use super::owned::Owned;
use super::resource::{File, Resource as _, enable};
use super::step::{Outcome, Step, names};
use super::work::Work;
use crate::error::Result;

/// The unit that goes on after a restart.
pub const UNIT: &str = "airlock-resume.service";

/// Where it lies.
const PATH: &str = "/etc/systemd/system/airlock-resume.service";

/// Lets `command` (a program with its arguments) be run once the machine has been restarted.
///
/// # Errors
/// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE), [`codes::NODE_PROGRAM`](crate::error::codes::NODE_PROGRAM).
pub fn arm(work: &mut Work<'_>, command: &[String]) -> Result<()> {
    work.own(Owned::Unit { name: UNIT.to_owned() })?;
    let file = File::new(PATH, unit(command));
    if file.check(work.machine())?.is_some() {
        file.make(work)?;
    }
    enable(work, [UNIT])
}

/// Restarts the machine, as soon as its services have ended.
pub fn restart() -> Call {
    Call::new("systemctl").with(["reboot"])
}

/// Whether the machine was restarted for `step` and the step has not ended since: what it needed the restart for
/// should be there now.
///
/// # Errors
/// Those of [`Journal::read`].
pub fn has_happened(machine: &Machine, step: &str) -> Result<bool> {
    let now = boot(machine)?;
    let mut current = String::new();
    let mut asked = None;
    for entry in Journal::read(machine)? {
        match entry {
            Entry::Begin { step } => current = step,
            Entry::Reboot { boot } if current == step => asked = Some(boot),
            Entry::End { step: ended } if ended == step => asked = None,
            _ => {}
        }
    }
    Ok(asked.is_some_and(|boot| boot != now))
}

/// The unit that runs `command` at the next boot.
fn unit(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    format!(
        "# Written by airlock.
[Unit]
Description=Continue the installation of this node
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={}
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
",
        words.join(" ")
    )
}

/// A word as systemd.service(5), "COMMAND LINES" takes it without changing it.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for character in word.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '%' | '$' => text.extend([character, character]),
            '\n' => text.push_str("\\n"),
            _ => text.push(character),
        }
    }
    text + "\""
}

/// The step that takes the unit away; the last one of an installation.
pub struct Disarm;

impl Step for Disarm {
    fn name(&self) -> &'static str {
        names::RESUME_UNIT
    }

    fn title(&self) -> String {
        "Remove the unit that continues after a restart".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let is_there = machine.metadata(PATH)?.is_some();
        Ok(is_there.then(|| Change::new(Verb::Remove, UNIT)).into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        // It is not stopped: perhaps it is the unit that runs us.
        work.run(Call::new("systemctl").with(["disable", "--quiet", UNIT]))?;
        work.remove_file(PATH)?;
        work.run(Call::new("systemctl").with(["daemon-reload"]))?;
        // It has failed if another command was quicker to go on; nothing of that should stay.
        work.machine().run(&Call::new("systemctl").with(["reset-failed", UNIT]))?;
        work.disown(Owned::File { path: PATH.to_owned() })?;
        work.disown(Owned::Unit { name: UNIT.to_owned() })?;
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::node::driver::execute;
    use crate::node::machine::{Finished, Programs};
    use crate::progress::Silent;

    /// A systemctl that is content with everything.
    struct Content;

    impl Programs for Content {
        fn run(&self, call: &Call) -> std::io::Result<Finished> {
            assert_eq!(call.program(), "systemctl");
            Ok(Finished { status: Some(0), ..Finished::default() })
        }
    }

    fn machine(root: &Path, boot: &str) -> Machine {
        let directory = root.join("proc/sys/kernel/random");
        fs_err::create_dir_all(&directory).unwrap();
        fs_err::write(directory.join("boot_id"), format!("{boot}\n")).unwrap();
        Machine::new(root, Arc::new(Content))
    }

    #[test]
    fn the_unit_runs_the_command_as_it_is() {
        let command = ["/usr/local/bin/airlock", "install", "--from", "/media/my \"100%\" $stick"];
        let text = unit(&command.map(str::to_owned));
        assert!(text.contains(
            "ExecStart=\"/usr/local/bin/airlock\" \"install\" \"--from\" \"/media/my \\\"100%%\\\" $$stick\"\n"
        ));
    }

    #[test]
    fn the_unit_is_there_until_the_installation_is_through() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path(), "one");
        let mut journal = Journal::open(&machine).unwrap();
        let mut work = Work::new(&machine, &mut journal, &Silent, Duration::from_secs(10));
        arm(&mut work, &["/usr/local/bin/airlock".to_owned(), "install".to_owned()]).unwrap();
        assert_eq!(journal.owned().iter().filter(|owned| owned.path() == Some(PATH)).count(), 1);
        let steps: [Box<dyn Step>; 1] = [Box::new(Disarm)];
        let done = execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert_eq!(done.changed, ["resume-unit"]);
        assert!(machine.metadata(PATH).unwrap().is_none());
        let left = journal.owned().iter().filter(|owned| !matches!(owned, Owned::Directory { .. })).count();
        assert_eq!(left, 0, "nothing of it is ours any more");
        assert!(execute(&steps, &machine, &mut journal, &Silent).unwrap().changed.is_empty());
    }

    #[test]
    fn a_restart_has_happened_when_the_boot_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let before = machine(root.path(), "one");
        let mut journal = Journal::open(&before).unwrap();
        assert!(!has_happened(&before, "nouveau").unwrap());
        journal.add(Entry::Begin { step: "nouveau".to_owned() }).unwrap();
        journal.add(Entry::Reboot { boot: "one".to_owned() }).unwrap();
        assert!(!has_happened(&before, "nouveau").unwrap(), "it is asked for");
        let after = machine(root.path(), "two");
        assert!(has_happened(&after, "nouveau").unwrap());
        assert!(!has_happened(&after, "nvidia-module").unwrap(), "it was for another step");
        journal.add(Entry::Begin { step: "nouveau".to_owned() }).unwrap();
        journal.add(Entry::End { step: "nouveau".to_owned() }).unwrap();
        assert!(!has_happened(&after, "nouveau").unwrap(), "that is over");
    }
}
