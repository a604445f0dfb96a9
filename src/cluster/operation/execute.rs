//! Does what a plan says, and tells for every node what came of it.

mod outcome;

use serde::Deserialize;

pub use self::outcome::{Ending, Outcome, Report};
use super::site::{Site, cannot_serve};
use super::{Action, Invocation, Part, Place, Plan, Work, drain};
use crate::cluster::inventory::Host;
use crate::cluster::remote::{Answer, Remote};
use crate::cluster::{fleet, hearsay};
use crate::error::{Error, Result, codes};
use crate::node::agent::Program;
use crate::progress::{Event, Progress};
use crate::quote::escape;

/// Sends the bundle of the command line to a host.
pub trait Deliver: Sync {
    /// Sends what the host lacks of it.
    ///
    /// # Errors
    /// If the bundle cannot be read, or the host does not take it.
    fn deliver(&self, remote: &dyn Remote) -> Result<()>;
}

/// How an installation ended, as `airlock install --json` tells it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Installed {
    /// The step that needs a restart, if one does.
    reboot_for: Option<String>,
}

/// Carries a plan out. Whatever fails is in the report; what was done stays done, and the same operation goes on there.
pub fn execute(
    plan: &Plan,
    site: &Site<'_>,
    deliver: Option<&dyn Deliver>,
    progress: &dyn Progress,
) -> Report {
    let worker = Worker { site, deliver, progress };
    let mut nodes: Vec<Outcome> = plan.out_of_reach.iter().map(Outcome::out_of_reach).collect();
    let mut goes_on = true;
    for stage in &plan.stages {
        let outcomes = match goes_on {
            true => worker.parts(&stage.parts, stage.at_once),
            false => stage.parts.iter().map(Outcome::not_begun).collect(),
        };
        let has_failed = outcomes.iter().any(|outcome| outcome.ending != Ending::Done);
        goes_on &= !(site.is_stopped() || has_failed && stage.essential);
        for outcome in outcomes {
            Outcome::join(&mut nodes, outcome);
        }
    }
    Report { operation: plan.operation, nodes }
}

struct Worker<'a> {
    site: &'a Site<'a>,
    deliver: Option<&'a dyn Deliver>,
    progress: &'a dyn Progress,
}

impl Worker<'_> {
    fn parts(&self, parts: &[Part], at_once: usize) -> Vec<Outcome> {
        let hosts: Vec<&Host> =
            parts.iter().filter_map(|part| self.site.inventory.host(&part.node)).collect();
        // Nodes that no host stands for, such as those that are to be forgotten, come one after the other.
        let (known, unknown): (Vec<&Part>, Vec<&Part>) =
            parts.iter().partition(|part| self.site.inventory.host(&part.node).is_some());
        let work = |host: &Host| {
            let part = known.iter().find(|part| part.node == host.name);
            part.map(|part| self.part(part))
                .ok_or_else(|| Error::new(codes::INTERNAL, "a part of the plan is missing"))
        };
        let outcomes = fleet::each(&hosts, at_once, self.site.stop(), work);
        let known = outcomes
            .0
            .into_iter()
            .map(|(host, outcome)| outcome.unwrap_or_else(|error| Outcome::without_turn(&host.name, error)));
        known.chain(unknown.into_iter().map(|part| self.part(part))).collect()
    }

    fn part(&self, part: &Part) -> Outcome {
        let mut done = Vec::new();
        for action in &part.actions {
            self.progress.event(Event::Note { text: &format!("{}: {}", part.node, action.title) });
            match self.action(action) {
                Ok(()) => done.push(action.title.clone()),
                Err(error) => {
                    let error = error.with_detail(format!("while it was to {}", action.title));
                    return self.go_back(part, done, error);
                }
            }
        }
        Outcome { node: part.node.clone(), ending: Ending::Done, done, error: None }
    }

    fn go_back(&self, part: &Part, done: Vec<String>, error: Error) -> Outcome {
        // Who interrupts, or has to restart the host, wants to go on later from where it is.
        let goes_on_later =
            self.site.is_stopped() || matches!(error.code(), codes::INTERRUPTED | codes::HOST_RESTART);
        let stays = part.way_back.is_empty() || goes_on_later;
        if stays {
            return Outcome::failed(&part.node, done, error);
        }
        for action in &part.way_back {
            self.progress.event(Event::Warning { text: &format!("{}: {}", part.node, action.title) });
            if let Err(failure) = self.action(action) {
                let too = format!("and it could not {}: {}", action.title, failure.message());
                return Outcome::failed(&part.node, done, error.with_detail(too));
            }
        }
        Outcome { ending: Ending::TakenBack, ..Outcome::failed(&part.node, done, error) }
    }

    fn action(&self, action: &Action) -> Result<()> {
        match &action.work {
            Work::Run(invocation) => self.run(&action.place, invocation),
            Work::Await(condition) => condition.wait(self.site, &action.place, condition.patience()),
            Work::Deliver => self.send(&action.place),
        }
    }

    fn run(&self, place: &Place, invocation: &Invocation) -> Result<()> {
        let answer = self.at(place, |remote| {
            let mut listen = |line: &str| match place {
                Place::Host(host) => hearsay::tell(host, line, self.progress),
                Place::Server | Place::ServerBut(_) => {}
            };
            let answer = remote.run(invocation.command(), &mut listen)?;
            if cannot_serve(&answer) { Err(answer.error()) } else { Ok(answer) }
        })?;
        match answer.status {
            0 => check_restart(place, invocation, &answer),
            _ => Err(explain(invocation, &answer)),
        }
    }

    fn send(&self, place: &Place) -> Result<()> {
        let deliver = self
            .deliver
            .ok_or_else(|| Error::new(codes::INTERNAL, "a bundle is to be sent, and none was opened"))?;
        self.at(place, |remote| deliver.deliver(remote))
    }

    fn at<T>(&self, place: &Place, work: impl Fn(&dyn Remote) -> Result<T>) -> Result<T> {
        match place {
            Place::Host(name) => self.site.on(self.site.host(name)?).and_then(|remote| work(&*remote)),
            Place::Server => self.site.on_a_server(None, work).map(|(_, done)| done),
            Place::ServerBut(name) => self.site.on_a_server(Some(name), work).map(|(_, done)| done),
        }
    }
}

/// The error of a command, in the words of the operation where it is one that is known.
fn explain(invocation: &Invocation, answer: &Answer) -> Error {
    let is_drain = invocation.arguments.get(1).is_some_and(|word| word == "drain");
    let refusal = if is_drain { drain::refusal(&answer.errors) } else { None };
    refusal.unwrap_or_else(|| answer.error())
}

/// An installation that stands still until the machine was restarted has not come to its end.
fn check_restart(place: &Place, invocation: &Invocation, answer: &Answer) -> Result<()> {
    let installs = invocation.program == Program::Airlock
        && invocation.arguments.first().is_some_and(|word| word == "install");
    let (Place::Host(host), true) = (place, installs) else { return Ok(()) };
    let installed: Installed = answer.json()?;
    match installed.reboot_for {
        Some(step) => Err(restart_needed(host, &step)),
        None => Ok(()),
    }
}

fn restart_needed(host: &str, step: &str) -> Error {
    let step = escape(step);
    let message =
        format!("{host} has to be restarted (step {step}); afterwards its installation goes on by itself");
    Error::new(codes::HOST_RESTART, message).with_help(format!(
        "drain it if need be, `sudo reboot` on {host}, wait until `airlock cluster status` calls it ready, then run the \
         same command again"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::cluster::operation::site::tests::{GO_ON, Rack, inventory};
    use crate::cluster::operation::{OutOfReach, Stage};
    use crate::cluster::remote::tests::Scripted;
    use crate::progress::Silent;

    fn run(node: &str, words: &str) -> Action {
        Action::run(words, Place::host(node), Invocation::airlock(words.split(' ')))
    }

    fn rack() -> Rack {
        let host = || Scripted::default().with("airlock", "").failing("airlock break", 1, "it is broken");
        Rack::default().with("s1", host()).with("a1", host()).with("a2", host())
    }

    fn report(plan: &Plan, rack: &Rack) -> Report {
        let inventory = inventory(1, 2);
        execute(plan, &Site::new(&inventory, rack, &GO_ON), None, &Silent)
    }

    #[test]
    fn a_failure_ends_its_part_and_no_other() {
        let parts = vec![
            Part::new("a1", vec![run("a1", "break"), run("a1", "next")]),
            Part::new("a2", vec![run("a2", "one"), run("a2", "two")]),
        ];
        let plan = Plan::new("test")
            .with(Stage::side_by_side(parts, 30))
            .with(Stage::side_by_side(vec![Part::new("s1", vec![run("s1", "last")])], 1));
        let rack = rack();
        let report = report(&plan, &rack);
        assert_eq!(rack.asked("a1"), ["airlock break"]);
        assert_eq!(rack.asked("a2"), ["airlock one", "airlock two"]);
        assert_eq!(rack.asked("s1"), ["airlock last"]);
        let error = report.into_result().unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::FLEET_PARTIAL, 9));
        assert_eq!(error.message(), "test has failed on 1 of 3 nodes");
        assert!(error.details().iter().any(|line| line == "a1:   it is broken"), "{:?}", error.details());
    }

    #[test]
    fn nothing_is_begun_after_what_was_essential() {
        let plan = Plan::new("test")
            .with(Stage::essential(Part::new("s1", vec![run("s1", "break")])))
            .with(Stage::side_by_side(vec![Part::new("a1", vec![run("a1", "one")])], 1));
        let rack = rack();
        let report = report(&plan, &rack);
        assert_eq!(report.nodes[1].ending, Ending::NotBegun);
        assert!(rack.asked("a1").is_empty());
    }

    #[test]
    fn the_way_back_is_gone_and_the_only_error_is_told_as_it_is() {
        let mut part = Part::new("s1", vec![run("s1", "one"), run("s1", "break")]);
        part.way_back = vec![run("s1", "back")];
        let rack = rack();
        let report = report(&Plan::new("test").with(Stage::essential(part)), &rack);
        assert_eq!(rack.asked("s1"), ["airlock one", "airlock break", "airlock back"]);
        assert_eq!((report.nodes[0].ending, report.nodes[0].done.len()), (Ending::TakenBack, 1));
        let error = report.into_result().unwrap_err();
        assert_eq!(error.code(), codes::REMOTE_COMMAND);
        assert_eq!(error.details(), ["it is broken", "while it was to break"]);
    }

    #[test]
    fn who_interrupts_hears_how_far_it_came() {
        let stages = [run("s1", "one"), run("s1", "two")]
            .map(|action| Stage::essential(Part::new("s1", vec![action])));
        let last = Stage::side_by_side(vec![Part::new("a1", vec![run("a1", "one")])], 1);
        let plan = stages.into_iter().fold(Plan::new("upgrade"), Plan::with).with(last);
        let (rack, inventory, stop) = (rack(), inventory(1, 2), AtomicBool::new(false));
        let site = Site::new(&inventory, &rack, &stop);
        let report = execute(&plan, &site, None, &Stopping(&stop));
        let endings: Vec<(Ending, usize)> =
            report.nodes.iter().map(|node| (node.ending, node.done.len())).collect();
        assert_eq!(endings, [(Ending::BrokenOff, 0), (Ending::NotBegun, 0)]);
        let error = report.into_result().unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::INTERRUPTED, 130));
    }

    /// Somebody who stops as soon as anything is begun.
    struct Stopping<'a>(&'a AtomicBool);

    impl Progress for Stopping<'_> {
        fn event(&self, _: Event<'_>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_installation_that_waits_for_a_restart_is_not_done_and_not_taken_back() {
        let mut part = Part::new("s1", vec![run("s1", "install --yes")]);
        part.way_back = vec![run("s1", "back")];
        let waits = r#"{"changed": [], "rebootFor": "nouveau"}"#;
        let rack = Rack::default().with("s1", Scripted::default().with("airlock install", waits));
        let error = report(&Plan::new("test").with(Stage::essential(part)), &rack).into_result().unwrap_err();
        assert_eq!((error.code(), rack.asked("s1").len()), (codes::HOST_RESTART, 1));
        assert!(error.message().starts_with("s1 has to be restarted (step nouveau)"), "{}", error.message());
    }

    #[test]
    fn hosts_that_cannot_be_reached_are_failures() {
        let mut plan = Plan::new("reset");
        plan.out_of_reach.push(OutOfReach { host: "a1".to_owned(), why: "a1 does not answer".to_owned() });
        let error = report(&plan, &rack()).into_result().unwrap_err();
        assert_eq!((error.code(), error.message()), (codes::NOT_REACHED, "a1 does not answer"));
    }
}
