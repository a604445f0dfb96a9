//! Installations of hosts that restart, and are at work already.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::json;

use super::*;
use crate::cluster::inventory::tests::hosts;
use crate::cluster::pause::tests::Hurry;
use crate::cluster::remote::Command;
use crate::progress::{Event, Silent};

/// A host that needs one restart, and whose connection is cut by it.
#[derive(Default)]
struct Machine {
    boot: AtomicU32,
    /// How often it cannot be reached after its restart.
    silence: AtomicU32,
    /// How often it says that another command is at work.
    busy: AtomicU32,
}

fn counted_down(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Remote for Machine {
    fn run(&self, command: Command<'_>, _: &mut dyn FnMut(&str)) -> Result<Answer> {
        let words: Vec<&str> = command.request.arguments.iter().map(String::as_str).collect();
        let boot = self.boot.load(Ordering::SeqCst);
        let output = match words[..] {
            ["install"] if self.busy.load(Ordering::SeqCst) > 0 => return Ok(busy()),
            ["install"] if boot == 0 => json!({"changed": ["nouveau"], "rebootFor": "nouveau"}),
            ["install"] => json!({"changed": ["k3s"], "rebootFor": null}),
            ["node", "status"] if counted_down(&self.busy) => {
                json!({"isNode": true, "running": {"pid": 7, "command": "install", "since": "now"}})
            }
            ["node", "status"] => json!({"isNode": true, "running": null}),
            ["node", "restart"] => {
                self.boot.store(1, Ordering::SeqCst);
                self.silence.store(3, Ordering::SeqCst);
                json!({"boot": "0"})
            }
            ["node", "reach"] if counted_down(&self.silence) => {
                return Err(Error::new(codes::REMOTE_ANSWER, "the connection was cut"));
            }
            ["node", "reach"] => {
                json!({"now": jiff::Timestamp::now(), "boot": boot.to_string(), "opened": [],
                "taken": [], "reached": []})
            }
            _ => panic!("nobody knows `{words:?}`"),
        };
        Ok(Answer { status: 0, output: output.to_string(), errors: Vec::new() })
    }
}

fn busy() -> Answer {
    let code = codes::NODE_BUSY.to_string();
    let error = json!({"code": code, "message": "busy", "details": [], "causes": [], "help": "wait"});
    Answer { status: 10, output: String::new(), errors: vec![error.to_string()] }
}

/// The steps that have changed something.
fn install(
    name: &str,
    host: &Arc<Machine>,
    restarts: Restarts<'_>,
    progress: &dyn Progress,
) -> Result<String> {
    let installation = Installation {
        host: name,
        connect: &|| Ok(host.clone()),
        restarts,
        pause: &Hurry::new(),
        stop: &AtomicBool::new(false),
        progress,
    };
    let mut steps = Vec::new();
    let order = |remote: &dyn Remote| remote.run(Command::airlock(["install"]), &mut |_| {});
    installation.run(&order, &mut |changed| steps.extend(changed))?;
    Ok(steps.join(" "))
}

#[test]
fn a_host_comes_back_from_its_restart_and_goes_on() {
    let host = Arc::new(Machine::default());
    assert_eq!(install("gpu1", &host, Restarts::AtOnce, &Silent).unwrap(), "nouveau k3s");
    assert_eq!((host.boot.load(Ordering::SeqCst), host.silence.load(Ordering::SeqCst)), (1, 0));
}

#[test]
fn a_host_is_not_restarted_that_may_not_be() {
    let host = Arc::new(Machine::default());
    let mut there = hosts(&["gpu1"]).remove(0);
    let elsewhere = Restarts::No.of(&there);
    there.connection = Connection::Local { sudo_password: None };
    let here = Restarts::AtOnce.of(&there);
    for (restarts, help) in [(elsewhere, "with `--restart`"), (here, "it is this machine")] {
        let error = install("gpu1", &host, restarts, &Silent).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::HOST_RESTART, 7));
        assert!(error.help().unwrap().contains(help), "{error:?}");
    }
    assert_eq!(host.boot.load(Ordering::SeqCst), 0);
}

#[test]
fn what_goes_on_by_itself_is_waited_for_and_told() {
    let told = Told::default();
    let host = Arc::new(Machine { boot: AtomicU32::new(1), busy: AtomicU32::new(2), ..Machine::default() });
    assert_eq!(install("gpu1", &host, Restarts::No, &told).unwrap(), "k3s");
    assert_eq!(*told.0.lock().unwrap(), ["gpu1: Wait for `airlock install` (process 7)"]);
}

/// What is told of hosts.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        if let Event::OnHost { host, event: Event::StepStarted { title, .. } } = event {
            self.0.lock().unwrap().push(format!("{host}: {title}"));
        }
    }
}

#[test]
fn the_next_host_goes_down_when_the_one_before_is_installed() {
    let (turn, told) = (Mutex::default(), Told::default());
    thread::scope(|scope| {
        for name in ["gpu1", "gpu2", "gpu3"] {
            let (turn, told) = (&turn, &told);
            scope.spawn(move || {
                let host = Arc::new(Machine::default());
                let order = |remote: &dyn Remote| {
                    let answer = remote.run(Command::airlock(["install"]), &mut |_| {})?;
                    if host.boot.load(Ordering::SeqCst) > 0 {
                        told.0.lock().unwrap().push(format!("{name}: installed"));
                    }
                    Ok(answer)
                };
                let installation = Installation {
                    host: name,
                    connect: &|| Ok(host.clone()),
                    restarts: Restarts::InTurn(turn),
                    pause: &Hurry::new(),
                    stop: &AtomicBool::new(false),
                    progress: told,
                };
                installation.run(&order, &mut drop).unwrap();
            });
        }
    });
    let told = told.0.into_inner().unwrap();
    for pair in told.chunks(2) {
        let [name, other] = [&pair[0], &pair[1]].map(|line| line.split_once(": ").unwrap());
        assert_eq!((name.0, name.1, other.1), (other.0, "Restart the machine", "installed"), "{told:?}");
    }
    assert_eq!(told.len(), 6);
}
