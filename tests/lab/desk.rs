//! The desk of an administrator: where `airlock cluster …` is run from, with an inventory, a bundle and the list of
//! those who may sign it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use fs_err as fs;
use serde_json::Value;

use crate::deployment::Deployment;
use crate::lab::Lab;
use crate::lab::provisioner::Provisioner;
use crate::stick::Stick;

/// The directory in which commands are run; none of them leaves anything there.
const WORKING: &str = "working";
/// What deployments report, and where they keep the logs of hosts.
const REPORT: &str = "report.json";
const LOGS: &str = "logs";
/// What the commands go by: of Ansible, or a `cluster.yaml`.
const INVENTORY: &str = "inventory";

/// A directory of the machine from which the nodes of a lab are reached.
pub struct Desk {
    /// That machine.
    pub provisioner: Provisioner,
    directory: PathBuf,
    stick: &'static Stick,
}

/// How a command has ended.
pub struct Outcome {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// What it has printed, and then what it has said besides.
    pub told: String,
}

impl Outcome {
    /// That of a program which has ended.
    pub fn of(output: &Output) -> Outcome {
        Outcome { status: output.status.code(), told: said(output) }
    }
}

/// Everything that a program has told: what it has printed, and then what it has said besides.
pub fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

impl Desk {
    /// A desk without an inventory, and this stick on it.
    pub fn new(lab: &Lab, stick: &'static Stick) -> Desk {
        let provisioner = lab.provisioner().unwrap();
        let directory = provisioner.home().join("desk");
        let desk = Desk { provisioner, directory, stick };
        fs::create_dir_all(desk.path(WORKING)).unwrap();
        desk.write("signers", &stick.signers());
        // Under its own name: as `install` it would install this machine.
        fs::copy(stick.program(), desk.path("airlock")).unwrap();
        desk
    }

    /// The path of a file on it.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file that nobody else can read.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Writes the inventory that all commands go by.
    pub fn inventory(&self, text: &str) {
        self.write(INVENTORY, text);
    }

    /// `airlock cluster` with these words and the inventory. An earlier report is not taken for that of this command.
    pub fn command(&self, words: &[impl AsRef<str>]) -> Command {
        let _ = fs::remove_file(self.path(REPORT));
        let inventory = self.path(INVENTORY);
        let words = words.iter().map(AsRef::as_ref);
        let words: Vec<&str> = ["cluster"].into_iter().chain(words).chain(["-i", &inventory]).collect();
        let mut command = self.provisioner.command(&self.path("airlock"), &words);
        command.current_dir(self.path(WORKING)).stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(&self, words: &[impl AsRef<str>]) -> Outcome {
        let outcome = Outcome::of(&self.command(words).output().unwrap());
        self.left_nothing();
        outcome
    }

    /// Begins it; what it does is told as events.
    pub fn start(&self, words: &[impl AsRef<str>]) -> Deployment<'_> {
        let mut command = self.command(words);
        Deployment::start(self, command.args(["--progress", "json"]))
    }

    /// No command leaves a file where it happens to be run.
    #[track_caller]
    pub fn left_nothing(&self) {
        assert_eq!(self.files(WORKING), [] as [PathBuf; 0], "is left in the working directory");
    }

    /// Runs one that has to succeed; what it has told.
    #[track_caller]
    pub fn succeed(&self, words: &[impl AsRef<str>]) -> String {
        let Outcome { status, told } = self.run(words);
        assert_eq!(status, Some(0), "{}: {told}", line(words));
        told
    }

    /// The same again has nothing to do.
    #[track_caller]
    pub fn twice(&self, words: &[impl AsRef<str>]) {
        self.succeed(words);
        let again = self.succeed(words);
        assert!(again.contains("nothing to do"), "{}: {again}", line(words));
    }

    /// Runs one that has to fail with this status and these words among others; what it has told.
    #[track_caller]
    pub fn refuse(&self, words: &[impl AsRef<str>], expected: i32, reason: &str) -> String {
        let Outcome { status, told } = self.run(words);
        assert_eq!(status, Some(expected), "{}: {told}", line(words));
        assert!(told.contains(reason), "{}: `{reason}` is missing: {told}", line(words));
        told
    }

    /// What it prints as JSON, however it ends.
    pub fn json(&self, words: &[&str]) -> Value {
        let output = self.command(&[words, &["--json"]].concat()).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", line(words), said(&output)))
    }

    /// Words of a command that takes a bundle, keeps logs, reports, and is not asked anything: `deploy`, `add`,
    /// `upgrade`; with the bundle of this desk.
    pub fn reporting(&self, words: &[&str]) -> Vec<String> {
        self.reporting_with(words, self.stick)
    }

    /// The same with another bundle.
    pub fn reporting_with(&self, words: &[&str], stick: &Stick) -> Vec<String> {
        let (bundle, signers) = (stick.path(), self.path("signers"));
        let (logs, report) = (self.path(LOGS), self.path(REPORT));
        let of_bundle = ["--yes", "--bundle", bundle.to_str().unwrap(), "--allowed-signers", &signers];
        let of_record = ["--log-dir", &logs, "--report", &report];
        [words, &of_bundle, &of_record].concat().into_iter().map(str::to_owned).collect()
    }

    /// `airlock cluster deploy`, whatever it ends with.
    #[track_caller]
    pub fn deploy(&self, further: &[&str]) -> Outcome {
        self.run(&self.reporting(&[&["deploy"], further].concat()))
    }

    /// Deploys, and everybody of so many becomes this: `installed`, `unchanged`. Gives what was told.
    #[track_caller]
    pub fn deploy_all(&self, state: &str, count: usize) -> String {
        let Outcome { status, told } = self.deploy(&[]);
        assert_eq!(status, Some(0), "{told}");
        let states = self.states();
        let is_so = |host: &String| host.split(' ').skip(1).eq([state]);
        assert!(states.len() == count && states.iter().all(is_so), "{states:?} {told}");
        told
    }

    /// What the last deployment has reported.
    pub fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path(REPORT)).unwrap()).unwrap()
    }

    /// How each host stands in that report, and the code of its error: `killed1 failed E1135`.
    pub fn states(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let state = |host: &Value| {
            let words = [text(&host["host"]), text(&host["state"]), text(&host["error"]["code"])];
            words.join(" ").trim_end().to_owned()
        };
        self.report()["hosts"].as_array().unwrap().iter().map(state).collect()
    }

    /// What has been done on a host since the desk is there, as its log has it.
    pub fn log(&self, host: &str) -> String {
        fs::read_to_string(format!("{}/{host}.log", self.path(LOGS))).unwrap()
    }

    /// Everything that deployments have written: the logs of all hosts, and the report.
    pub fn written(&self) -> String {
        let files = self.files(LOGS).into_iter().chain([self.path(REPORT).into()]);
        files.map(|path| fs::read_to_string(path).unwrap()).collect()
    }

    fn files(&self, directory: &str) -> Vec<PathBuf> {
        fs::read_dir(self.path(directory)).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

fn line(words: &[impl AsRef<str>]) -> String {
    words.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
}
