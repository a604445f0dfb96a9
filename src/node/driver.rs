//! Does what a plan says: one step after the other, each looked at before and after.

use serde::Serialize;

use super::journal::{Entry, Journal};
use super::machine::Machine;
use super::step::{self, Outcome, Step};
use super::work::Work;
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress};

/// How a run ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// The steps that changed something.
    pub changed: Vec<&'static str>,
    /// The step that needs a restart of the machine before the next one, if one does.
    pub reboot_for: Option<&'static str>,
    /// Whether the program that was put in place has to go on.
    #[serde(skip)]
    pub handover: bool,
}

/// Brings about what `steps` say. The caller holds the [`lock`](super::lock) and has written the
/// [`Entry::Run`] if there is anything to do.
///
/// # Errors
/// Those of the steps, with the name of the step; [`codes::NODE_STEP_WITHOUT_EFFECT`] if the world is not as it
/// should be after a step. Everything done so far stays, and the next run goes on from there.
pub fn execute(
    steps: &[Box<dyn Step>],
    machine: &Machine,
    journal: &mut Journal,
    progress: &dyn Progress,
) -> Result<Done> {
    let mut done = Done { changed: Vec::new(), reboot_for: None, handover: false };
    for step in steps {
        let in_step = |error: Error| step::named(&**step, error);
        if step.check(machine).map_err(in_step)?.is_empty() {
            continue;
        }
        progress.event(Event::StepStarted { step: step.name(), title: &step.title() });
        journal.add(Entry::Begin { step: step.name().to_owned() }).map_err(in_step)?;
        let outcome = act(&**step, machine, journal, progress);
        if let Err(error) = &outcome {
            // The error of the step is the one to tell, even if the journal cannot be written any more.
            let code = error.code().to_string();
            let _ = journal.add(Entry::Failed { step: step.name().to_owned(), code });
        }
        let outcome = outcome.map_err(in_step)?;
        done.changed.push(step.name());
        if outcome == Outcome::Reboot {
            let reboot = boot(machine).map(|boot| Entry::Reboot { boot });
            reboot.and_then(|entry| journal.add(entry)).map_err(in_step)?;
            done.reboot_for = Some(step.name());
            return Ok(done);
        }
        journal.add(Entry::End { step: step.name().to_owned() }).map_err(in_step)?;
        progress.event(Event::StepFinished { step: step.name(), title: &step.title() });
        if outcome == Outcome::Handover {
            journal.add(Entry::Handover)?;
            done.handover = true;
            return Ok(done);
        }
    }
    if !done.changed.is_empty() {
        journal.add(Entry::Finished)?;
    }
    Ok(done)
}

fn act(
    step: &dyn Step,
    machine: &Machine,
    journal: &mut Journal,
    progress: &dyn Progress,
) -> Result<Outcome> {
    let outcome = step.act(&mut Work::new(machine, journal, progress, step.deadline()))?;
    let left = if outcome == Outcome::Reboot { Vec::new() } else { step.check(machine)? };
    if left.is_empty() {
        return Ok(outcome);
    }
    let message = "the step ended well, but the node is not as it should be";
    let error = Error::new(codes::NODE_STEP_WITHOUT_EFFECT, message).with_help(
        "something else may be changing the same things, such as a configuration management; \
         run the same command again, and stop that if it says the same",
    );
    Err(left.iter().fold(error, |error, change| error.with_detail(format!("still to do: {change}"))))
}

/// The identity of the boot that the machine is in.
///
/// # Errors
/// [`codes::NODE_FILE`].
pub fn boot(machine: &Machine) -> Result<String> {
    let text = machine.read_text("/proc/sys/kernel/random/boot_id")?;
    Ok(text.unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::node::change::{Change, Verb};
    use crate::node::machine::SystemPrograms;
    use crate::node::plan::Plan;
    use crate::node::resource::{Block, Directory, File, Link, Resources};
    use crate::progress::Silent;

    fn machine(root: &Path) -> Machine {
        Machine::new(root, Arc::new(SystemPrograms))
    }

    fn files() -> Box<dyn Step> {
        let resources = Resources::new("files", "Write files")
            .with(Directory { path: "/var/lib/k3s".to_owned(), mode: 0o700 })
            .with(File::private("/etc/k3s/token", "secret"))
            .with(Link { path: "/usr/bin/kubectl".to_owned(), target: "k3s".to_owned() })
            .with(Block { path: "/etc/hosts".to_owned(), lines: "10.0.0.1 registry\n".to_owned() });
        Box::new(resources)
    }

    /// Says what it is told to say.
    struct Scripted {
        outcome: Result<Outcome, ()>,
        changes: usize,
    }

    impl Step for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn title(&self) -> String {
            "Do as told".to_owned()
        }

        fn check(&self, _: &Machine) -> Result<Vec<Change>> {
            Ok(vec![Change::new(Verb::Run, "something"); self.changes])
        }

        fn act(&self, _: &mut Work<'_>) -> Result<Outcome> {
            self.outcome.map_err(|()| Error::new(codes::NODE_SERVICE, "it does not start"))
        }
    }

    #[test]
    fn a_second_run_has_nothing_to_do() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path());
        let steps = [files()];
        let plan = Plan::make(&steps, &machine).unwrap();
        insta::assert_snapshot!(
            plan.steps[0].changes.iter().map(|change| format!("{change}\n")).collect::<String>(),
            @r"
        create /var/lib/k3s (0700)
        create /etc/k3s/token (0600)
        create /usr/bin/kubectl (to k3s)
        replace /etc/hosts (1 lines)
        "
        );
        let mut journal = Journal::open(&machine).unwrap();
        let done = execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert_eq!(done, Done { changed: vec!["files"], reboot_for: None, handover: false });
        assert!(Plan::make(&steps, &machine).unwrap().is_empty());
        let before = journal.last_run().len();
        let done = execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert!(done.changed.is_empty());
        assert_eq!(journal.last_run().len(), before, "nothing is written where nothing is done");
    }

    #[test]
    fn a_failed_step_is_in_the_journal_and_named_in_the_error() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path());
        let mut journal = Journal::open(&machine).unwrap();
        let steps: [Box<dyn Step>; 2] = [Box::new(Scripted { outcome: Err(()), changes: 1 }), files()];
        let error = execute(&steps, &machine, &mut journal, &Silent).unwrap_err();
        assert_eq!(error.details(), ["in step scripted: Do as told"]);
        let failed = Entry::Failed { step: "scripted".to_owned(), code: codes::NODE_SERVICE.to_string() };
        assert_eq!(journal.last_run().last(), Some(&failed));
        assert!(journal.owned().is_empty(), "later steps are not begun");
    }

    #[test]
    fn a_step_must_have_its_effect_and_a_reboot_comes_before_the_next() {
        let root = tempfile::tempdir().unwrap();
        let machine = machine(root.path());
        let mut journal = Journal::open(&machine).unwrap();
        let step = |outcome| -> [Box<dyn Step>; 2] {
            [Box::new(Scripted { outcome: Ok(outcome), changes: 1 }), files()]
        };
        let error = execute(&step(Outcome::Done), &machine, &mut journal, &Silent).unwrap_err();
        assert_eq!(error.code(), codes::NODE_STEP_WITHOUT_EFFECT);
        assert_eq!(error.details()[0], "still to do: run something");
        let done = execute(&step(Outcome::Reboot), &machine, &mut journal, &Silent).unwrap();
        assert_eq!(done, Done { changed: vec!["scripted"], reboot_for: Some("scripted"), handover: false });
        assert!(matches!(journal.last_run().last(), Some(Entry::Reboot { .. })));
        assert!(journal.owned().is_empty());
    }
}
