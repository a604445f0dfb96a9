//! Two installations at once: one works, and the other says who that is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use airlock::node::run;
use airlock::node::step::Step;
use airlock::progress::{Event, Progress};

use super::machine::Host;

/// How often both are started.
const ROUNDS: usize = 20;

/// Tells the process where its machine is.
const ROOT: &str = "AIRLOCK_TEST_SHARED_MACHINE";

/// What the lines of the process begin with, among those of the test harness.
const SAYS: &str = "rival: ";

/// The first steps; more would only take longer.
fn steps(host: &Host) -> Vec<Box<dyn Step>> {
    let mut steps = host.steps(false);
    steps.truncate(3);
    steps
}

/// Not a test of its own: one of the two. It waits for a line before it begins, and for another in its first step.
#[test]
#[ignore = "started by other tests"]
#[expect(clippy::disallowed_methods, reason = "a test tells its child by a variable where to work")]
fn rival() {
    let Some(directory) = std::env::var_os(ROOT) else { return };
    let host = Host::again(Path::new(&directory));
    let steps = steps(&host);
    say("ready");
    wait();
    match run::run("install", &steps, &host.machine, &Gate::default()) {
        Ok(_) => say("done"),
        Err(error) => say(&format!("{} {error}", error.kind().exit_status())),
    }
}

fn say(text: &str) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("\n{SAYS}{text}\n").as_bytes()).and_then(|()| output.flush()).unwrap();
}

fn wait() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

/// Waits when the first step begins.
#[derive(Default)]
struct Gate(AtomicBool);

impl Progress for Gate {
    fn event(&self, event: Event<'_>) {
        if matches!(event, Event::StepStarted { .. }) && !self.0.swap(true, Ordering::Relaxed) {
            say("working");
            wait();
        }
    }
}

/// A started process, and what it says.
struct Rival {
    child: Child,
    says: Receiver<String>,
}

impl Rival {
    fn start(directory: &Path) -> Rival {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "rivals::rival", "--ignored", "--nocapture", "--test-threads", "1"]);
        command.env(ROOT, directory).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, says) = channel();
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            for line in lines.filter_map(|line| line.strip_prefix(SAYS).map(str::to_owned)) {
                let _ = tell.send(line);
            }
        });
        let rival = Rival { child, says };
        assert_eq!(rival.hears(), "ready");
        rival
    }

    fn hears(&self) -> String {
        self.says.recv().unwrap_or_else(|_| "nothing".to_owned())
    }

    fn go_on(&self) {
        self.child.stdin.as_ref().unwrap().write_all(b"\n").unwrap();
    }
}

/// Starts both together; the one that works, and what the other says.
fn race(directory: &Path) -> (Rival, String) {
    let [one, other] = [Rival::start(directory), Rival::start(directory)];
    one.go_on();
    other.go_on();
    let said = [one.hears(), other.hears()];
    let (mut winner, mut loser, message) = match said.each_ref().map(String::as_str) {
        ["working", message] => (one, other, message),
        [message, "working"] => (other, one, message),
        _ => panic!("{said:?}"),
    };
    loser.child.wait().unwrap();
    assert!(winner.child.try_wait().unwrap().is_none());
    (winner, message.to_owned())
}

#[test]
fn one_of_two_works_and_the_other_says_who_that_is() {
    for round in 0..ROUNDS {
        let directory = Host::new().into_directory();
        let (mut winner, message) = race(directory.path());
        let expected = format!("10 `airlock install` (process {}, since 20", winner.child.id());
        assert!(message.starts_with(&expected), "round {round}: {message} is not {expected}");
        assert!(message.ends_with("is changing this node"), "{message}");
        winner.go_on();
        assert_eq!(winner.hears(), "done");
        winner.child.wait().unwrap();
        assert!(!Host::again(directory.path()).plan(false).steps.is_empty());
    }
}

#[test]
fn nobody_waits_for_the_dead() {
    let directory = Host::new().into_directory();
    let (mut winner, _) = race(directory.path());
    winner.child.kill().unwrap();
    winner.child.wait().unwrap();
    let host = Host::again(directory.path());
    assert!(
        host.read("/var/lib/airlock/lock").contains(&winner.child.id().to_string()),
        "its name is still there"
    );
    host.install(false).unwrap();
    assert!(host.plan(false).is_empty());
}
