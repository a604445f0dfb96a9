//! A command that changes a node in a process of its own, which is killed at a boundary of a step, or by strace at a
//! system call, or whose system calls fail.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use airlock::error::Result;
use airlock::node::change::{Change, Verb};
use airlock::node::driver::Done;
use airlock::node::machine::Machine;
use airlock::node::reset::{Reset, Spared};
use airlock::node::run::run as run_steps;
use airlock::node::step::names::{IMAGES, K3S_READY};
use airlock::node::step::{Outcome, Step};
use airlock::node::work::Work;
use airlock::progress::{Event, Progress};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use super::bundles::whole_text;
use super::machine::Host;
use super::scenario;

/// Tell the process where its machine is, what it does there, and where it ends.
const ROOT: &str = "AIRLOCK_TEST_MACHINE";
const TASK: &str = "AIRLOCK_TEST_TASK";
const STEP: &str = "AIRLOCK_TEST_STEP";
const BOUNDARY: &str = "AIRLOCK_TEST_BOUNDARY";

/// Written into the directory of the machine: how it ended, and that it has begun to change anything.
const ENDING: &str = "ending";
const BEGUN: &str = "begun";

/// What a process does to its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    Install,
    /// `install --registry`: the images go to the registry of the site.
    InstallWithSite,
    Repair,
    Reset,
}

/// A moment between what a step does and what is written down about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Boundary {
    BeforeBegin,
    AfterBegin,
    AfterAct,
    BeforeEnd,
    AfterEnd,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Done,
    /// The machine has to be restarted for this step.
    Restart(String),
    Failed(Failure),
    /// It told nothing: it was killed.
    Killed,
    /// It has a fault, and said this.
    Panicked(String),
    /// It did not come as far as changing anything.
    NeverBegun,
}

/// An error as whoever runs the command has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub status: u8,
    /// Everything that it says, its help last.
    pub text: String,
    pub has_help: bool,
}

/// Not a test of its own: the process.
#[test]
#[ignore = "started by other tests"]
#[expect(clippy::disallowed_methods, reason = "a test tells its child by variables what to do")]
fn process() {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(directory) = variable(ROOT) else { return };
    let directory = Path::new(&directory);
    let boundary = variable(BOUNDARY).and_then(|text| serde_json::from_str(&text).ok());
    let victim = Arc::new(Victim { at: variable(STEP).zip(boundary) });
    let task = variable(TASK).and_then(|text| serde_json::from_str(&text).ok()).unwrap();
    let host = Host::again(directory);
    let work = work(task, &host, directory, &victim);
    write(&directory.join(BEGUN), "");
    write(&directory.join(ENDING), &serde_json::to_string(&ending(work())).unwrap());
}

/// Looks at everything that has to be known, so that what comes afterwards is only what changes the machine.
fn work<'a>(
    task: Task,
    host: &'a Host,
    directory: &Path,
    victim: &'a Arc<Victim>,
) -> Box<dyn FnOnce() -> Result<Done> + 'a> {
    let steps = match task {
        Task::Install => {
            let watch = |step| Box::new(Watched::new(step, victim)) as Box<dyn Step>;
            host.steps(false).into_iter().map(watch).collect()
        }
        Task::InstallWithSite => scenario::site_of(directory).steps_with_login(host),
        Task::Reset => Reset::of(&host.machine, Spared::default()).unwrap().unwrap().steps(),
        Task::Repair => return super::repair::in_two_parts(host),
    };
    let command = if task == Task::Reset { "reset" } else { "install" };
    Box::new(move || run_steps(command, &steps, &host.machine, &**victim))
}

fn ending(result: Result<Done>) -> Ending {
    match result {
        Ok(Done { reboot_for: None, .. }) => Ending::Done,
        Ok(Done { reboot_for: Some(step), .. }) => Ending::Restart(step.to_owned()),
        Err(error) => Ending::Failed(Failure {
            status: error.kind().exit_status(),
            text: whole_text(&error),
            has_help: error.help().is_some(),
        }),
    }
}

/// What happens to system calls may happen to these.
fn write(path: &Path, text: &str) {
    let written = (0..5).any(|_| fs_err::write(path, text).is_ok());
    assert!(written, "{}", path.display());
}

/// Installs on the machine in `directory`; the words of `before` come before those of the process, such as strace.
pub fn install(directory: &Path, before: &[String], at: Option<(&str, Boundary)>) -> Ending {
    run(Task::Install, directory, before, at)
}

/// Runs the process, for any task.
pub fn run(task: Task, directory: &Path, before: &[String], at: Option<(&str, Boundary)>) -> Ending {
    for file in [ENDING, BEGUN] {
        let _ = fs_err::remove_file(directory.join(file));
    }
    let program = std::env::current_exe().unwrap().display().to_string();
    let own = [&program, "--exact", "child::process", "--ignored", "--test-threads", "1"].map(str::to_owned);
    let words: Vec<&String> = before.iter().chain(&own).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env(ROOT, directory).env("RUST_BACKTRACE", "0");
    command.env(TASK, serde_json::to_string(&task).unwrap());
    if let Some((step, boundary)) = at {
        command.env(STEP, step).env(BOUNDARY, serde_json::to_string(&boundary).unwrap());
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    // Half a word is that of one who was killed while it told.
    let told = fs_err::read(directory.join(ENDING)).ok();
    if let Some(ending) = told.and_then(|text| serde_json::from_slice(&text).ok()) {
        return ending;
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match directory.join(BEGUN).exists() {
        true if said.contains("panicked at") => Ending::Panicked(said),
        true => Ending::Killed,
        false => Ending::NeverBegun,
    }
}

/// Ends the process without any notice where it is told to.
struct Victim {
    at: Option<(String, Boundary)>,
}

impl Victim {
    fn reach(&self, step: &str, boundary: Boundary) {
        if self.at.as_ref().is_some_and(|at| at.0 == step && at.1 == boundary) {
            kill_process(getpid(), Signal::KILL).unwrap();
            std::thread::park();
        }
    }
}

impl Progress for Victim {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::StepStarted { step, .. } => self.reach(step, Boundary::BeforeBegin),
            Event::StepFinished { step, .. } => self.reach(step, Boundary::AfterEnd),
            _ => {}
        }
    }
}

/// A step whose boundaries are seen.
struct Watched {
    step: Box<dyn Step>,
    victim: Arc<Victim>,
    looks: AtomicUsize,
    has_acted: AtomicBool,
}

impl Watched {
    fn new(step: Box<dyn Step>, victim: &Arc<Victim>) -> Watched {
        Watched {
            step,
            victim: victim.clone(),
            looks: AtomicUsize::new(0),
            has_acted: AtomicBool::new(false),
        }
    }
}

impl Step for Watched {
    fn name(&self) -> &'static str {
        self.step.name()
    }

    fn title(&self) -> String {
        self.step.title()
    }

    fn deadline(&self) -> Duration {
        self.step.deadline()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let changes = self.step.check(machine)?;
        if self.has_acted.load(Ordering::Relaxed) {
            self.victim.reach(self.name(), Boundary::BeforeEnd);
        }
        // Steps that only wait have nothing to wait for here, unless somebody is slow: for the plan and at the begin.
        let is_slow = self.looks.fetch_add(1, Ordering::Relaxed) < 2;
        match is_slow && changes.is_empty() && [IMAGES, K3S_READY].contains(&self.name()) {
            true => Ok(vec![Change::new(Verb::Wait, "somebody who is slow")]),
            false => Ok(changes),
        }
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        self.victim.reach(self.name(), Boundary::AfterBegin);
        let outcome = self.step.act(work)?;
        self.has_acted.store(true, Ordering::Relaxed);
        self.victim.reach(self.name(), Boundary::AfterAct);
        Ok(outcome)
    }
}
