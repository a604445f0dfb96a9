//! What was done to a node last, and how that ended: read from the journal.

use serde::Serialize;

use crate::node::journal::Entry;

/// The last command that changed a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// `install`, `reset`, …
    pub command: String,
    /// Version of the program.
    pub version: String,
    /// When it began, RFC 3339 in UTC.
    pub at: String,
    /// How it ended.
    pub ending: Ending,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "how", rename_all = "camelCase")]
pub enum Ending {
    /// It has done everything.
    Finished,
    /// It is at work.
    Running {
        /// The step that it is in, if it is in one.
        step: Option<String>,
    },
    /// A step could not be ended.
    Failed {
        /// The step.
        step: String,
        /// The code of its error.
        code: String,
    },
    /// It was ended from outside, or the power went.
    Interrupted {
        /// The step that it was in; nothing if it was between two.
        step: Option<String>,
    },
    /// The machine has to be restarted before it goes on.
    RebootNeeded {
        /// The step that needs it.
        step: Option<String>,
    },
    /// The machine was restarted, and nobody has gone on.
    Rebooted {
        /// The step that needed it.
        step: Option<String>,
    },
}

impl LastRun {
    /// Whether the node was reset to its end, and only data of it are left.
    pub fn is_reset(&self) -> bool {
        self.command == "reset" && self.ending == Ending::Finished
    }
}

/// The last run in a journal; nothing if it has none. `boot` is the one that the machine is in.
pub fn last_run(entries: &[Entry], boot: &str, is_running: bool) -> Option<LastRun> {
    let start = entries.iter().rposition(|entry| matches!(entry, Entry::Run { .. }))?;
    let Entry::Run { command, version, at } = &entries[start] else { return None };
    let ending = ending(&entries[start + 1..], boot, is_running);
    Some(LastRun { command: command.clone(), version: version.clone(), at: at.clone(), ending })
}

fn ending(entries: &[Entry], boot: &str, is_running: bool) -> Ending {
    let mut step = None;
    // A run that has begun no step has found nothing to do after all.
    let mut ending = Ending::Finished;
    for entry in entries {
        match entry {
            Entry::Begin { step: begun } => {
                step = Some(begun.clone());
                ending = Ending::Interrupted { step: step.clone() };
            }
            // Another program goes on, and says so with a run of its own.
            Entry::End { .. } | Entry::Handover => {
                step = None;
                ending = Ending::Interrupted { step: None };
            }
            Entry::Failed { step, code } => {
                ending = Ending::Failed { step: step.clone(), code: code.clone() };
            }
            Entry::Reboot { boot: asked } if asked == boot => {
                ending = Ending::RebootNeeded { step: step.clone() };
            }
            Entry::Reboot { .. } => ending = Ending::Rebooted { step: step.clone() },
            Entry::Finished => ending = Ending::Finished,
            Entry::Run { .. } | Entry::Owns { .. } | Entry::Disowns { .. } => {}
        }
    }
    if is_running { Ending::Running { step } } else { ending }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin() -> Entry {
        Entry::Begin { step: "store".to_owned() }
    }

    fn end() -> Entry {
        Entry::End { step: "store".to_owned() }
    }

    #[test]
    fn how_a_run_ended_is_what_its_last_lines_say() {
        let step = || Some("store".to_owned());
        let failed = Entry::Failed { step: "store".to_owned(), code: "E0001".to_owned() };
        let reboot = |boot: &str| Entry::Reboot { boot: boot.to_owned() };
        for (entries, expected) in [
            (vec![], Ending::Finished),
            (vec![begin()], Ending::Interrupted { step: step() }),
            (vec![begin(), end()], Ending::Interrupted { step: None }),
            (vec![begin(), end(), Entry::Finished], Ending::Finished),
            (vec![begin(), failed], Ending::Failed { step: "store".to_owned(), code: "E0001".to_owned() }),
            (vec![begin(), reboot("now")], Ending::RebootNeeded { step: step() }),
            (vec![begin(), reboot("before")], Ending::Rebooted { step: step() }),
        ] {
            assert_eq!(ending(&entries, "now", false), expected, "{entries:?}");
        }
        assert_eq!(ending(&[begin()], "now", true), Ending::Running { step: step() });
    }

    #[test]
    fn only_the_last_run_counts() {
        let run = |command: &str| Entry::Run {
            command: command.to_owned(),
            version: "1".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
        };
        assert_eq!(last_run(&[begin()], "", false), None);
        let last = last_run(&[run("install"), begin(), run("reset"), Entry::Finished], "", false).unwrap();
        assert_eq!((last.command.as_str(), last.is_reset()), ("reset", true));
    }
}
