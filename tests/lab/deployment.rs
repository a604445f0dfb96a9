//! A command of `airlock cluster` that goes on, so that something can happen in the middle of it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::desk::{Desk, Outcome};

/// It is watched by the events that it tells on standard error.
pub struct Deployment<'a> {
    desk: &'a Desk,
    child: Child,
    events: BufReader<ChildStderr>,
    told: String,
}

impl<'a> Deployment<'a> {
    /// Begins it. What it prints goes to a file on the desk, so that nobody has to read it meanwhile.
    pub fn start(desk: &'a Desk, command: &mut Command) -> Deployment<'a> {
        let output = fs::File::create(desk.path("output")).unwrap();
        let mut child = command.stderr(Stdio::piped()).stdout(output.into_file()).spawn().unwrap();
        let events = BufReader::new(child.stderr.take().unwrap());
        Deployment { desk, child, events, told: String::new() }
    }

    /// Waits for an event.
    pub fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) {
        while let Some(line) = self.next_line() {
            if serde_json::from_str::<Value>(&line).is_ok_and(|event| is_it(&event)) {
                return;
            }
        }
        panic!("it has ended before: {}", self.told);
    }

    /// Waits until the installation of a host is at work.
    pub fn wait_for_steps_on(&mut self, host: &str) {
        self.wait_for(|event| event["event"] == "stepStarted" && event["host"] == host);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Outcome {
        while self.next_line().is_some() {}
        let status = self.child.wait().unwrap().code();
        self.desk.left_nothing();
        let printed = fs::read_to_string(self.desk.path("output")).unwrap();
        Outcome { status, told: printed + &self.told }
    }

    /// The next line of its events; `None` once there will be no more.
    pub fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.events.read_line(&mut line).unwrap();
        self.told += &line;
        (count > 0).then_some(line)
    }
}
