//! What came of a deployment, host by host: kept while it goes on, told at its end, also when it is broken off.
//!
//! The format of the JSON document is described in `bundle-spec/cluster-report.md`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::plan::{ClusterPlan, Medium, Phase};
use super::survey::findings::Finding;
use super::trouble::Trouble;
use crate::error::{Error, codes};

/// Value of `format` in the documents of this version.
pub const FORMAT: u32 = 1;

/// Most facts of an error that are told for each of several hosts; all of them are in the report and the logs.
const DETAILS: usize = 4;

/// What has come of each host so far. Many threads write into it.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<BTreeMap<String, Entry>>);

/// What has come of one host.
#[derive(Clone, Debug, Default)]
struct Entry {
    state: State,
    steps: Vec<String>,
    sent: u64,
    begun: Option<Timestamp>,
    ended: Option<Timestamp>,
    error: Option<Trouble>,
    /// What its registries are known by, as it was told last.
    authorities: Option<String>,
}

/// How it stands with a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It was not its turn.
    #[default]
    NotBegun,
    /// It is at work; in a report, it was when the deployment was broken off.
    Running,
    /// Nothing was to be done.
    Unchanged,
    /// It is as it should be now.
    Installed,
    /// It failed.
    Failed,
    /// Nothing was done, although it is not as it should be.
    LeftOut,
}

/// A report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Version of this format.
    pub format: u32,
    /// Version of the airlock that wrote this.
    pub airlock: String,
    /// When the deployment began, RFC 3339 in UTC.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub begun: Timestamp,
    /// When it ended.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub ended: Timestamp,
    /// Whether it was broken off.
    pub interrupted: bool,
    /// The bundle.
    pub bundle: Medium,
    /// The server that the others join.
    pub entry: String,
    /// Bytes of the bundle that were sent from here.
    pub bytes_sent: u64,
    /// The hosts, in the order of the plan.
    pub hosts: Vec<HostReport>,
    /// What the survey has found.
    pub findings: Vec<Finding>,
}

/// What came of one host.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostReport {
    /// Its name.
    pub host: String,
    /// What part it has.
    pub phase: Phase,
    /// How it stands.
    pub state: State,
    /// Steps that have changed something, by their names in plans.
    pub steps: Vec<String>,
    /// How long it was at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// Why it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Trouble>,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, host: &str, change: impl FnOnce(&mut Entry)) {
        change(self.entries().entry(host.to_owned()).or_default());
    }

    fn end(&self, host: &str, state: State, error: Option<Trouble>) {
        self.change(host, |entry| {
            (entry.state, entry.error) = (state, error);
            entry.ended = entry.begun.map(|_| Timestamp::now());
        });
    }

    /// Work on a host begins.
    pub fn begin(&self, host: &str) {
        self.change(host, |entry| {
            entry.state = State::Running;
            entry.begun = entry.begun.or_else(|| Some(Timestamp::now()));
        });
    }

    /// So many bytes of the bundle were sent to it.
    pub fn sent(&self, host: &str, bytes: u64) {
        self.change(host, |entry| entry.sent += bytes);
    }

    /// These steps have changed something on it.
    pub fn changed(&self, host: &str, steps: Vec<String>) {
        self.change(host, |entry| entry.steps.extend(steps));
    }

    /// It is as it should be now, and knows registries by these certificates.
    pub fn installed(&self, host: &str, authorities: String) {
        self.end(host, State::Installed, None);
        self.change(host, |entry| entry.authorities = Some(authorities));
    }

    /// Nothing was to be done.
    pub fn unchanged(&self, host: &str) {
        self.end(host, State::Unchanged, None);
    }

    /// It failed.
    pub fn failed(&self, host: &str, why: Trouble) {
        self.end(host, State::Failed, Some(why));
    }

    /// Nothing was done on it.
    pub fn left_out(&self, host: &str, why: Trouble) {
        self.end(host, State::LeftOut, Some(why));
    }

    /// Whether it is as it should be.
    pub fn is_well(&self, host: &str) -> bool {
        self.entries()
            .get(host)
            .is_some_and(|entry| matches!(entry.state, State::Installed | State::Unchanged))
    }

    /// What it knows registries by, if it was installed in this run.
    pub fn authorities(&self, host: &str) -> Option<String> {
        self.entries().get(host)?.authorities.clone()
    }

    /// The report, at this moment.
    pub fn report(&self, plan: &ClusterPlan, begun: Timestamp, interrupted: bool) -> Report {
        let entries = self.entries();
        let host = |plan: &super::plan::HostPlan| {
            let entry = entries.get(&plan.host).cloned().unwrap_or_default();
            let ended = entry.ended.unwrap_or_else(Timestamp::now);
            HostReport {
                host: plan.host.clone(),
                phase: plan.phase,
                state: entry.state,
                steps: entry.steps,
                seconds: entry.begun.map(|begun| ended.as_second() - begun.as_second()),
                error: entry.error,
            }
        };
        Report {
            format: FORMAT,
            airlock: env!("CARGO_PKG_VERSION").to_owned(),
            begun,
            ended: Timestamp::now(),
            interrupted,
            bundle: plan.bundle.clone(),
            entry: plan.entry.clone(),
            bytes_sent: entries.values().map(|entry| entry.sent).sum(),
            hosts: plan.hosts.iter().map(host).collect(),
            findings: plan.findings.clone(),
        }
    }
}

impl Report {
    /// The JSON Schema of the document (draft 2020-12).
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Report).to_value()
    }

    /// How the deployment ended, if not well: every host that is not as it should be, with its error.
    pub fn error(&self) -> Option<Error> {
        let is_well = |host: &&HostReport| matches!(host.state, State::Installed | State::Unchanged);
        let bad: Vec<&HostReport> = self.hosts.iter().filter(|host| !is_well(host)).collect();
        // Whoever stops it at the last moment has not stopped anything.
        let [first, ..] = bad[..] else { return None };
        if self.interrupted {
            return Some(self.broken_off(&bad));
        }
        // Alone, its own error says it best.
        if let ([only], Some(error)) = (&self.hosts[..], &first.error) {
            return Some(error.to_error().with_detail(format!("on {}", only.host)));
        }
        let message = format!("{} of {} hosts are not as they should be", bad.len(), self.hosts.len());
        let error = Error::new(codes::FLEET_PARTIAL, message);
        let error = bad.iter().flat_map(|host| host.lines()).fold(error, Error::with_detail);
        Some(error.with_help("put right what is told about each of them, then run the same command again: it goes on from here"))
    }

    fn broken_off(&self, bad: &[&HostReport]) -> Error {
        let error = Error::new(codes::INTERRUPTED, "the deployment was broken off");
        let error = bad.iter().fold(error, |error, host| error.with_detail(host.line()));
        error.with_help("run the same command again; it continues where this one stopped")
    }
}

impl HostReport {
    /// Its line, and what is known besides.
    fn lines(&self) -> Vec<String> {
        let details = self.error.iter().flat_map(|error| error.details.iter().take(DETAILS));
        std::iter::once(self.line()).chain(details.map(|detail| format!("{}: {detail}", self.host))).collect()
    }

    /// `gpu1: E1001: …; help`, one line.
    fn line(&self) -> String {
        match (&self.error, self.state) {
            (Some(error), _) => {
                let help = error.help.as_deref().map(|help| format!("; {help}")).unwrap_or_default();
                format!("{}: {}: {}{help}", self.host, error.code, error.message)
            }
            (None, State::Running) => {
                format!("{}: was at work; what it was doing ends with the connection", self.host)
            }
            (None, _) => format!("{}: was not begun", self.host),
        }
    }
}
