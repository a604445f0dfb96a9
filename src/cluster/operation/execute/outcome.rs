//! What came of a plan, node by node, and the error that says so.

use serde::Serialize;

use crate::cluster::operation::{OutOfReach, Part};
use crate::error::{Error, Result, codes};

/// What came of a plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The operation.
    pub operation: &'static str,
    /// What came of it for every node.
    pub nodes: Vec<Outcome>,
    /// What is left for a person to do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<String>,
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
    /// The user has broken it off. What was being done on the host ends with the connection.
    BrokenOff,
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

impl Outcome {
    /// What was done, in words.
    pub(super) fn summary(&self) -> String {
        match self.done.len() {
            1 => "1 action done".to_owned(),
            count => format!("{count} actions done"),
        }
    }

    pub(super) fn failed(node: &str, done: Vec<String>, error: Error) -> Outcome {
        let ending = match error.code() {
            codes::INTERRUPTED => Ending::BrokenOff,
            _ => Ending::Failed,
        };
        Outcome { node: node.to_owned(), ending, done, error: Some(error) }
    }

    /// It was never its turn.
    pub(super) fn without_turn(node: &str, error: Error) -> Outcome {
        match error.code() {
            codes::INTERRUPTED => {
                Outcome { node: node.to_owned(), ending: Ending::NotBegun, done: Vec::new(), error: None }
            }
            _ => Outcome::failed(node, Vec::new(), error),
        }
    }

    pub(super) fn not_begun(part: &Part) -> Outcome {
        Outcome { node: part.node.clone(), ending: Ending::NotBegun, done: Vec::new(), error: None }
    }

    pub(super) fn out_of_reach(host: &OutOfReach) -> Outcome {
        let error = Error::new(codes::NOT_REACHED, host.why.clone())
            .with_help("run the same command again when it can be reached: `airlock cluster ping`");
        Outcome::failed(&host.host, Vec::new(), error)
    }

    /// A node has one outcome, however many stages it is part of; the worst counts.
    pub(super) fn join(all: &mut Vec<Outcome>, mut next: Outcome) {
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
        // Nothing is left out without a failure, unless the user has stopped it.
        if bad.iter().all(was_interrupted) {
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
