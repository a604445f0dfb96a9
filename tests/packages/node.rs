//! A node in a root: the steps, the journal, and what is told on the way.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use airlock::bundle::manifest::apt::Purpose;
use airlock::error::Result;
use airlock::node::driver::{Done, execute};
use airlock::node::journal::Journal;
use airlock::node::machine::{Machine, Programs};
use airlock::node::owned::Owned;
use airlock::node::packages::{Install, Packages};
use airlock::node::plan::Plan;
use airlock::node::step::Step;
use airlock::progress::{Event, Progress};

use crate::roots::{Inside, Root};

/// What the steps have told.
#[derive(Default)]
pub struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        if let Event::Note { text } | Event::Warning { text } = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

impl Told {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// How long the step waits for others in most tests: what a power cut has ended may take a moment to be gone.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The step, which waits so long for others.
fn steps(packages: &Arc<Packages>, patience: Duration) -> [Box<dyn Step>; 1] {
    let install = Install::new("packages", "Install packages", packages.clone(), vec![Purpose::Node]);
    [Box::new(install.with_patience(patience))]
}

/// The machine in a root.
pub fn machine(root: &Root) -> Machine {
    machine_with(&root.path(), Arc::new(Inside(root.path())))
}

/// The same with other programs.
pub fn machine_with(root: &Path, programs: Arc<dyn Programs>) -> Machine {
    Machine::new(root, programs)
}

/// Brings everything about, and gives what was told.
pub fn install(packages: &Arc<Packages>, machine: &Machine) -> (Result<Done>, Vec<String>) {
    install_within(packages, machine, PATIENCE)
}

/// The same, with less patience for others.
pub fn install_within(
    packages: &Arc<Packages>,
    machine: &Machine,
    patience: Duration,
) -> (Result<Done>, Vec<String>) {
    let told = Told::default();
    let mut journal = Journal::open(machine).unwrap();
    let done = execute(&steps(packages, patience), machine, &mut journal, &told);
    (done, told.lines())
}

#[track_caller]
pub fn must_install(packages: &Arc<Packages>, machine: &Machine) -> Vec<String> {
    let (done, told) = install(packages, machine);
    if let Err(error) = done {
        panic!("{error:#?}");
    }
    told
}

/// What would be changed, a line each.
pub fn plan(packages: &Arc<Packages>, machine: &Machine) -> Vec<String> {
    let plan = Plan::make(&steps(packages, PATIENCE), machine).unwrap();
    plan.steps.iter().flat_map(|step| &step.changes).map(ToString::to_string).collect()
}

/// Packages that are ours, sorted.
pub fn owned_packages(machine: &Machine) -> Vec<String> {
    let journal = Journal::open(machine).unwrap();
    let names = journal.owned().iter().filter_map(|owned| match owned {
        Owned::Package { name } => Some(name.clone()),
        _ => None,
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
