//! Does what a plan says, and tells for every node what came of it.

use serde::Serialize;

use super::site::{Site, cannot_serve};
use super::{Action, Invocation, OutOfReach, Part, Place, Plan, Work, drain};
use crate::cluster::fleet;
use crate::cluster::inventory::Host;
use crate::cluster::remote::{Answer, Remote};
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress};

/// Sends the bundle of the command line to a host.
pub trait Deliver: Sync {
    /// Sends what the host lacks of it.
    ///
    /// # Errors
    /// If the bundle cannot be read, or the host does not take it.
    fn deliver(&self, remote: &dyn Remote) -> Result<()>;
}

/// What came of a plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The operation.
    pub operation: &'static str,
    /// What came of it for every node.
    pub nodes: Vec<Outcome>,
}

/// What came of it for a node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The node.
    pub node: String,
    /// How it ended.
    pub ending: Ending,
    /// The actions that were done.
    pub done: Vec<String>,
    /// Why it has failed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "message")]
    pub error: Option<Error>,
}

/// How something ended for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Everything was done.
    Done,
    /// Something has failed.
    Failed,
    /// Something has failed, and what was done before was taken back.
    TakenBack,
    /// It was not begun.
    NotBegun,
}

fn message<S: serde::Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    let error = error.as_ref().map(|error| {
        serde_json::json!({
            "code": error.code().to_string(),
            "message": error.message(),
            "details": error.details(),
            "help": error.help(),
        })
    });
    error.serialize(serializer)
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
        let known = outcomes.0.into_iter().map(|(host, outcome)| {
            outcome.unwrap_or_else(|error| Outcome::failed(&host.name, Vec::new(), error))
        });
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
        // Who interrupts wants to go on later from where it is.
        let stays = part.way_back.is_empty() || error.code() == codes::INTERRUPTED;
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
            let answer = remote.run(invocation.command(), &mut |_| {})?;
            if cannot_serve(&answer) { Err(answer.error()) } else { Ok(answer) }
        })?;
        match answer.status {
            0 => Ok(()),
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

impl Outcome {
    fn failed(node: &str, done: Vec<String>, error: Error) -> Outcome {
        Outcome { node: node.to_owned(), ending: Ending::Failed, done, error: Some(error) }
    }

    fn not_begun(part: &Part) -> Outcome {
        Outcome { node: part.node.clone(), ending: Ending::NotBegun, done: Vec::new(), error: None }
    }

    fn out_of_reach(host: &OutOfReach) -> Outcome {
        let error = Error::new(codes::NOT_REACHED, host.why.clone())
            .with_help("run the same command again when it can be reached: `airlock cluster ping`");
        Outcome::failed(&host.host, Vec::new(), error)
    }

    /// A node has one outcome, however many stages it is part of; the worst counts.
    fn join(all: &mut Vec<Outcome>, mut next: Outcome) {
        match all.iter_mut().find(|known| known.node == next.node) {
            Some(known) => {
                known.done.append(&mut next.done);
                if known.ending == Ending::Done {
                    known.ending = next.ending;
                }
                if known.error.is_none() {
                    known.error = next.error;
                }
            }
            None => all.push(next),
        }
    }
}

impl Report {
    /// Nothing, if all went well.
    ///
    /// # Errors
    /// The error of the only node that it was about; [`codes::INTERRUPTED`] if that is all that was wrong; else
    /// [`codes::FLEET_PARTIAL`] with what has failed where.
    pub fn into_result(self) -> Result<()> {
        let total = self.nodes.len();
        let (good, bad): (Vec<Outcome>, Vec<Outcome>) =
            self.nodes.into_iter().partition(|outcome| outcome.ending == Ending::Done);
        let was_interrupted = |outcome: &Outcome| match &outcome.error {
            Some(error) => error.code() == codes::INTERRUPTED,
            None => true,
        };
        if bad.is_empty() {
            return Ok(());
        }
        let interrupted =
            bad.iter().any(|outcome| outcome.error.is_some()) && bad.iter().all(was_interrupted);
        if interrupted {
            return Err(Error::new(codes::INTERRUPTED, format!("{} was interrupted", self.operation))
                .with_help("run the same command again; it goes on where this one stopped"));
        }
        match <[Outcome; 1]>::try_from(bad) {
            Ok([Outcome { error: Some(error), .. }]) if total == 1 => Err(error),
            Ok(bad) => Err(partial(self.operation, good.len(), total, &bad)),
            Err(bad) => Err(partial(self.operation, good.len(), total, &bad)),
        }
    }
}

fn partial(operation: &str, good: usize, total: usize, bad: &[Outcome]) -> Error {
    let message = format!("{operation} has failed on {} of {total} nodes", total - good);
    let error = bad.iter().fold(Error::new(codes::FLEET_PARTIAL, message), |error, outcome| {
        let node = &outcome.node;
        let Some(cause) = &outcome.error else { return error.with_detail(format!("{node}: not begun")) };
        let taken_back = if outcome.ending == Ending::TakenBack { "; taken back" } else { "" };
        let error = error.with_detail(format!("{node}: {} ({}){taken_back}", cause.message(), cause.code()));
        let error = cause
            .details()
            .iter()
            .fold(error, |error, detail| error.with_detail(format!("{node}:   {detail}")));
        match cause.help() {
            Some(help) => error.with_detail(format!("{node}:   help: {help}")),
            None => error,
        }
    });
    error
        .with_help("do what it says for each of them, then run the same command again; it goes on from there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::Stage;
    use crate::cluster::operation::site::tests::{GO_ON, Rack, inventory};
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
    fn hosts_that_cannot_be_reached_are_failures() {
        let mut plan = Plan::new("reset");
        plan.out_of_reach.push(OutOfReach { host: "a1".to_owned(), why: "a1 does not answer".to_owned() });
        let error = report(&plan, &rack()).into_result().unwrap_err();
        assert_eq!((error.code(), error.message()), (codes::NOT_REACHED, "a1 does not answer"));
    }
}
