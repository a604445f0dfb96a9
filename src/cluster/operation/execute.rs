//! Does what a plan says, and tells for every node what came of it.

mod outcome;

use std::sync::Mutex;

pub use self::outcome::{Ending, Outcome, Report};
use super::site::{Site, cannot_serve};
use super::{Action, Invocation, Part, Place, Plan, Work, drain};
use crate::cluster::fleet;
use crate::cluster::hearsay::{self, OnHost};
use crate::cluster::installation::{Installation, Restarts};
use crate::cluster::inventory::Host;
use crate::cluster::remote::{Answer, Remote};
use crate::cluster::turn::Turn;
use crate::error::{Error, Result, codes};
use crate::progress::{Event, Progress};

/// Sends the bundle of the command line to a host.
pub trait Deliver: Sync {
    /// Sends what the host lacks of it.
    ///
    /// # Errors
    /// If the bundle cannot be read, or the host does not take it.
    fn deliver(&self, remote: &dyn Remote, progress: &dyn Progress) -> Result<()>;
}

/// What there is besides the hosts.
#[derive(Clone, Copy, Default)]
pub struct Means<'a> {
    /// Sends what the command line names.
    pub deliver: Option<&'a dyn Deliver>,
    /// Whether a host is restarted that has to be, one at a time.
    pub restart: bool,
}

/// Carries a plan out. Whatever fails is in the report; what was done stays done, and the same operation goes on there.
pub fn execute(plan: &Plan, site: &Site<'_>, means: Means<'_>, progress: &dyn Progress) -> Report {
    let worker = Worker { site, means, progress, operation: plan.operation, turn: Mutex::default() };
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
    Report { operation: plan.operation, nodes, by_hand: plan.by_hand.clone() }
}

struct Worker<'a> {
    site: &'a Site<'a>,
    means: Means<'a>,
    progress: &'a dyn Progress,
    operation: &'static str,
    /// Held while a host is restarted.
    turn: Mutex<()>,
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
        let host = part.node.as_str();
        self.progress.event(Event::HostStarted { host, what: self.operation });
        let outcome = self.actions(part);
        match &outcome.error {
            None => self.progress.event(Event::HostFinished { host, what: &outcome.summary() }),
            // Who breaks it off does not want to hear of it from each host.
            Some(_) if outcome.ending == Ending::BrokenOff => {}
            Some(error) => self.progress.event(Event::HostFailed { host, error }),
        }
        outcome
    }

    fn actions(&self, part: &Part) -> Outcome {
        let mut done = Vec::new();
        for action in &part.actions {
            self.on_host(part).begins("action", &action.title);
            match self.action(part, action) {
                Ok(()) => done.push(action.title.clone()),
                Err(error) => {
                    let error = error.with_detail(format!("while it was to {}", action.title));
                    return self.go_back(part, done, error);
                }
            }
        }
        Outcome { node: part.node.clone(), ending: Ending::Done, done, error: None }
    }

    fn on_host<'b>(&'b self, part: &'b Part) -> OnHost<'b> {
        OnHost { host: &part.node, progress: self.progress }
    }

    fn go_back(&self, part: &Part, done: Vec<String>, error: Error) -> Outcome {
        // Who interrupts, or waits for a restart, wants to go on later from where it is.
        let goes_on_later = self.site.is_stopped()
            || matches!(error.code(), codes::INTERRUPTED | codes::HOST_RESTART | codes::HOST_NOT_BACK);
        if part.way_back.is_empty() || goes_on_later {
            return Outcome::failed(&part.node, done, error);
        }
        for action in &part.way_back {
            self.on_host(part).event(Event::Warning { text: &action.title });
            if let Err(failure) = self.action(part, action) {
                let too = format!("and it could not {}: {}", action.title, failure.message());
                return Outcome::failed(&part.node, done, error.with_detail(too));
            }
        }
        Outcome { ending: Ending::TakenBack, ..Outcome::failed(&part.node, done, error) }
    }

    fn action(&self, part: &Part, action: &Action) -> Result<()> {
        match (&action.work, &action.place) {
            (Work::Run(invocation), Place::Host(host)) if invocation.installs() => {
                self.install(host, invocation)
            }
            (Work::Run(invocation), place) => self.run(place, invocation),
            (Work::Await(condition), place) => condition.wait(self.site, place, condition.patience()),
            (Work::Deliver, place) => self.send(part, place),
        }
    }

    fn run(&self, place: &Place, invocation: &Invocation) -> Result<()> {
        let answer = self.at(place, |remote| {
            let order = |remote: &dyn Remote| {
                let mut listen = |line: &str| match place {
                    Place::Host(host) => hearsay::tell(host, line, self.progress),
                    Place::Server | Place::ServerBut(_) => {}
                };
                remote.run(invocation.command(), &mut listen)
            };
            let answer = match place {
                Place::Host(host) => self.turn_on(host).run(&order, remote)?,
                // What is asked of any server locks none.
                Place::Server | Place::ServerBut(_) => order(remote)?,
            };
            if cannot_serve(&answer) { Err(answer.error()) } else { Ok(answer) }
        })?;
        match answer.status {
            0 => Ok(()),
            _ => Err(explain(invocation, &answer)),
        }
    }

    fn turn_on<'b>(&'b self, host: &'b str) -> Turn<'b> {
        Turn { host, pause: self.site.pause, stop: self.site.stop(), progress: self.progress }
    }

    /// An installation that stands still until the machine was restarted has not come to its end.
    fn install(&self, name: &str, invocation: &Invocation) -> Result<()> {
        let host = self.site.host(name)?;
        let restarts = if self.means.restart { Restarts::InTurn(&self.turn) } else { Restarts::No };
        let installation = Installation {
            host: name,
            connect: &|| self.site.on(host),
            restarts: restarts.of(host),
            pause: self.site.pause,
            stop: self.site.stop(),
            progress: self.progress,
        };
        let order = |remote: &dyn Remote| {
            remote.run(invocation.command(), &mut |line| hearsay::tell(name, line, self.progress))
        };
        installation.run(&order, &mut drop)
    }

    fn send(&self, part: &Part, place: &Place) -> Result<()> {
        let deliver = self
            .means
            .deliver
            .ok_or_else(|| Error::new(codes::INTERNAL, "a bundle is to be sent, and none was opened"))?;
        self.at(place, |remote| deliver.deliver(remote, &self.on_host(part)))
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

#[cfg(test)]
mod tests;
