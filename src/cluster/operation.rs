//! Day 2: what is done to a cluster that is there.
//!
//! Every operation is the same journey: the cluster is observed through a server that answers, a pure function turns
//! that and the wish into a [`Plan`], which is shown; once somebody has agreed, [`execute`] does one action after the
//! other; then the cluster is observed again. A plan holds only what is not so yet. So repeating an operation gives an
//! empty plan, and one that was interrupted goes on.

pub mod add;
pub mod condition;
pub mod cordon;
pub mod drain;
pub mod etcd;
pub mod execute;
pub mod kubeconfig;
pub mod label;
pub mod node;
pub mod remove;
pub mod repair;
pub mod reset;
#[cfg(test)]
pub(crate) mod samples;
pub mod site;
pub mod status;
pub mod upgrade;
pub mod voters;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use self::condition::Condition;
use super::observe::{self, Node};
use super::order::Terms;
use super::remote::Command;
use super::wanted::url;
use crate::node::agent::{Program, Request};
use crate::node::machine::Call;

/// How long a command may take that changes little.
const SHORT: Duration = Duration::from_secs(120);
/// How long an installation, a reset or a restore may take.
pub const LONG: Duration = Duration::from_secs(60 * 60);

/// What an operation would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Its name, as on the command line: `remove`, `etcd restore`.
    pub operation: &'static str,
    /// One after the other.
    pub stages: Vec<Stage>,
    /// Hosts for which nothing can be done now, although something is to be done there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub out_of_reach: Vec<OutOfReach>,
    /// What the administrator should know before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is left for a person to do, told again at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<String>,
    /// What it takes to begin.
    pub consent: Consent,
}

/// Parts that may be done at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// The parts, one for each node.
    pub parts: Vec<Part>,
    /// How many of them at the same time.
    pub at_once: usize,
    /// Whether later stages are not begun if a part fails.
    pub essential: bool,
}

/// Everything that a stage does for one node, in its order; the first failure ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// The node that it is about.
    pub node: String,
    /// What is done.
    pub actions: Vec<Action>,
    /// What is done if one of them fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub way_back: Vec<Action>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Action {
    /// What it brings about, as a heading: `drain gpu1`.
    pub title: String,
    /// Where.
    pub place: Place,
    /// What.
    #[serde(flatten)]
    pub work: Work,
}

/// Where something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// On this host.
    Host(String),
    /// On a server that answers.
    Server,
    /// On a server that answers, and is not this one.
    ServerBut(String),
}

/// What an action does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Work {
    /// A command is run.
    Run(Invocation),
    /// Something is waited for.
    Await(Condition),
    /// The bundle of the command line is sent.
    Deliver,
}

/// A command on a host, as plain data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// Which program.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Files that it needs; see [`Request::files`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    #[serde(skip)]
    within: Duration,
}

/// What it takes to begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Consent {
    /// Nothing: it takes nothing from anybody.
    #[default]
    None,
    /// A yes.
    Agreement,
    /// This name, typed.
    Typed(String),
}

/// A host for which nothing can be done now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutOfReach {
    /// Its name.
    pub host: String,
    /// Why, and what follows.
    pub why: String,
}

impl Plan {
    /// A plan that does nothing yet and takes no consent.
    pub fn new(operation: &'static str) -> Plan {
        let (stages, out_of_reach, notes, by_hand) = Default::default();
        Plan { operation, stages, out_of_reach, notes, by_hand, consent: Consent::None }
    }

    /// The same with one more stage; parts without actions are left out.
    #[must_use]
    pub fn with(mut self, mut stage: Stage) -> Plan {
        stage.parts.retain(|part| !part.actions.is_empty());
        if !stage.parts.is_empty() {
            self.stages.push(stage);
        }
        self
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// All actions in their order, without the ways back.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.stages.iter().flat_map(|stage| &stage.parts).flat_map(|part| &part.actions)
    }
}

impl Stage {
    /// Parts of which at most `at_once` are done at the same time, and which do not depend on each other.
    pub fn side_by_side(parts: Vec<Part>, at_once: usize) -> Stage {
        Stage { parts, at_once, essential: false }
    }

    /// One part without which nothing further is begun.
    pub fn essential(part: Part) -> Stage {
        Stage { parts: vec![part], at_once: 1, essential: true }
    }
}

impl Part {
    /// Actions for a node.
    pub fn new(node: &str, actions: Vec<Action>) -> Part {
        Part { node: node.to_owned(), actions, way_back: Vec::new() }
    }
}

impl Action {
    /// A command.
    pub fn run(title: impl Into<String>, place: Place, invocation: Invocation) -> Action {
        Action { title: title.into(), place, work: Work::Run(invocation) }
    }

    /// Something to wait for.
    pub fn wait(place: Place, condition: Condition) -> Action {
        Action { title: format!("wait {condition}"), place, work: Work::Await(condition) }
    }

    /// What is run, as a person would type it; nothing where nothing is run.
    pub fn command(&self) -> Option<String> {
        match &self.work {
            Work::Run(invocation) => Some(invocation.typed()),
            Work::Await(_) | Work::Deliver => None,
        }
    }
}

impl Place {
    /// This host.
    pub fn host(name: &str) -> Place {
        Place::Host(name.to_owned())
    }

    /// Any other server.
    pub fn server_but(name: &str) -> Place {
        Place::ServerBut(name.to_owned())
    }
}

impl Invocation {
    /// An `airlock` command that changes a node; `--yes` is among the words where it asks.
    pub fn airlock<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Invocation {
        Invocation::new(Program::Airlock, words).within(LONG)
    }

    /// A `kubectl` command.
    pub fn kubectl<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Invocation {
        let words = words.into_iter().map(Into::into);
        Invocation::new(Program::K3s, ["kubectl".to_owned()].into_iter().chain(words))
    }

    /// A command of k3s itself.
    pub fn k3s<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Invocation {
        Invocation::new(Program::K3s, words)
    }

    fn new<T: Into<String>>(program: Program, words: impl IntoIterator<Item = T>) -> Invocation {
        let arguments = words.into_iter().map(Into::into).collect();
        Invocation { program, arguments, files: BTreeMap::new(), within: SHORT }
    }

    /// The same with another deadline.
    #[must_use]
    pub fn within(self, within: Duration) -> Invocation {
        Invocation { within, ..self }
    }

    /// The same with a file without secrets.
    #[must_use]
    pub fn with_file(mut self, name: &str, text: String) -> Invocation {
        self.files.insert(name.to_owned(), text);
        self
    }

    /// The same with further words.
    #[must_use]
    pub fn with_words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Invocation {
        self.arguments.extend(words.into_iter().map(str::to_owned));
        self
    }

    /// The same, an installation, under these terms.
    #[must_use]
    pub fn under(mut self, terms: &Terms) -> Invocation {
        let (words, files) = terms.words();
        self.arguments.extend(words);
        self.files.extend(files.into_iter().map(|(name, text)| (name.to_owned(), text)));
        self
    }

    /// Whether it is an installation, which may stand still until the host was restarted.
    fn installs(&self) -> bool {
        self.program == Program::Airlock && self.arguments.first().is_some_and(|word| word == "install")
    }

    /// As a person would type it on the host.
    pub fn typed(&self) -> String {
        let program = match self.program {
            Program::Airlock => "airlock",
            Program::K3s => "k3s",
        };
        Call::new("sudo").with([program]).with(&self.arguments).to_string()
    }

    /// For a host.
    pub fn command<'a>(&self) -> Command<'a> {
        let Invocation { program, arguments, files, within } = self.clone();
        Command { request: Request { program, arguments, files }, input: None, deadline: within }
    }
}

/// The node of this name.
pub(crate) fn find<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Node> {
    nodes.iter().find(|node| node.name == name)
}

/// The names, each once, in their order.
fn distinct(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().enumerate().filter(|(index, name)| !names[..*index].contains(name)).map(|(_, name)| name)
}

/// Whether a node runs the control plane.
fn is_server(node: &Node) -> bool {
    node.part != observe::Part::Agent
}

/// What is wrong with servers besides one.
fn troubles_of_others(nodes: &[Node], but: &str) -> impl Iterator<Item = String> {
    nodes.iter().filter(move |node| is_server(node) && node.name != but).filter_map(Node::trouble)
}

/// Whether a node has a member of etcd.
fn has_etcd(node: &Node) -> bool {
    matches!(node.part, observe::Part::Learner | observe::Part::Voter)
}
