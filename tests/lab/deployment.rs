//! An administrator who deploys from an inventory, watches what happens, and lets something happen in the middle of it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};

use fs_err as fs;
use serde_json::Value;

use crate::lab::Lab;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::stick::Stick;

/// The directory of an administrator: program, inventory and list of signers.
pub struct Desk<'a> {
    provisioner: &'a Provisioner,
    directory: PathBuf,
    stick: &'a Stick,
}

/// A deployment that goes on.
pub struct Deployment {
    child: Child,
    events: BufReader<ChildStderr>,
    told: String,
}

/// What came of a deployment.
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything that it has said.
    pub told: String,
}

impl<'a> Desk<'a> {
    /// A new one, on which nothing lies but the program and the list of signers.
    pub fn new(provisioner: &'a Provisioner, stick: &'a Stick) -> Desk<'a> {
        let directory = provisioner.home().join("desk");
        fs::create_dir_all(&directory).unwrap();
        let desk = Desk { provisioner, directory, stick };
        desk.write("signers", &stick.signers());
        // Under its own name: as `install` it would install this machine.
        fs::copy(stick.program(), desk.directory.join("airlock")).unwrap();
        desk
    }

    /// Writes a file that nobody else can read.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The path of a file, as text.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Begins `airlock cluster deploy` with `cluster.yaml`.
    pub fn start(&self, further: &[&str]) -> Deployment {
        let [inventory, signers, logs, report] =
            ["cluster.yaml", "signers", "logs", "report.json"].map(|name| self.path(name));
        let stick = self.stick.path();
        let words = ["cluster", "deploy", "--yes", "-i", &inventory, "--bundle", stick.to_str().unwrap()];
        let options = ["--allowed-signers", &signers, "--log-dir", &logs, "--report", &report];
        let words = [&words[..], &options, &["--progress", "json"], further].concat();
        let _ = fs::remove_file(&report);
        let output = fs::File::create(self.path("output")).unwrap();
        let mut command = self.provisioner.command(&self.path("airlock"), &words);
        let mut child = command.stderr(Stdio::piped()).stdout(output.into_file()).spawn().unwrap();
        let events = BufReader::new(child.stderr.take().unwrap());
        Deployment { child, events, told: String::new() }
    }

    /// A whole deployment.
    pub fn deploy(&self, further: &[&str]) -> Outcome {
        let mut outcome = self.start(further).end();
        outcome.told += &fs::read_to_string(self.path("output")).unwrap();
        outcome
    }

    /// What the last deployment has reported.
    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("report.json")).unwrap()).unwrap()
    }

    /// How each host stands in that report, and the code of its error: `killed1 failed E1135`.
    pub fn states(&self) -> Vec<String> {
        let report = self.report();
        let state = |host: &Value| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let words = [text(&host["host"]), text(&host["state"]), text(&host["error"]["code"])];
            words.join(" ").trim_end().to_owned()
        };
        report["hosts"].as_array().unwrap().iter().map(state).collect()
    }
}

impl Deployment {
    /// Waits for an event.
    pub fn wait_for(&mut self, is_it: impl Fn(&Value) -> bool) {
        while let Some(line) = self.line() {
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

    /// Sends it a signal: `INT`, `KILL`.
    pub fn signal(&self, name: &str) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let signal = match name {
            "INT" => rustix::process::Signal::INT,
            "KILL" => rustix::process::Signal::KILL,
            _ => panic!("{name}"),
        };
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Outcome {
        while self.line().is_some() {}
        Outcome { status: self.child.wait().unwrap(), told: self.told }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.events.read_line(&mut line).unwrap();
        self.told += &line;
        (count > 0).then_some(line)
    }
}

/// A `cluster.yaml`: the first nodes are servers. `further` is said about the hosts that it names: `sudo1` and `user: x`.
pub fn inventory(lab: &Lab, servers: &[&Node], agents: &[&Node], further: &[(&str, &str)]) -> String {
    let host = |node: &&Node| {
        let more =
            further.iter().filter(|(name, _)| *name == node.name()).map(|(_, more)| format!(", {more}"));
        format!("  - {{name: {}, host: {}{}}}\n", node.name(), node.address(), more.collect::<String>())
    };
    let hosts = |nodes: &[&Node]| nodes.iter().map(host).collect::<String>();
    let agents = if agents.is_empty() { String::new() } else { format!("agents:\n{}", hosts(agents)) };
    format!(
        "apiVersion: airlock/v1\nkind: Cluster\n\
         defaults: {{user: operator, identityFile: {}}}\nservers:\n{}{agents}",
        lab.ssh_key().display(),
        hosts(servers)
    )
}
