//! etcd begins anew with one member: `k3s server --cluster-reset`, with the data that are there, or with a snapshot.
//!
//! k3s does that once and ends by itself; then `server/db/reset-flag` is there until it starts as usual
//! (docs.k3s.io, "etcd-snapshot"). What it finds it keeps as `db/etcd-old-…` and `tls-…`.

use std::time::Duration;

use jiff::Timestamp;

use super::look::modified;
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::k3s::paths;
use crate::node::machine::{Call, Finished, Machine};
use crate::node::owned::Owned;
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::quote::{escape, quote};

/// How long it may take; a large snapshot takes minutes.
const RESET: Duration = Duration::from_secs(20 * 60);

/// The configuration for the reset: that of the node, without the server that it has joined, which k3s refuses there.
const CONFIG: &str = "/run/airlock-recovery.yaml";

/// What k3s says when it is done.
const DONE: &str = "Managed etcd cluster membership has been reset";

/// Lines of its output that an error repeats.
const TOLD: usize = 12;

/// The step that resets etcd.
pub(super) struct Reset {
    /// Directory of the server.
    pub(super) server: String,
    /// Path of the snapshot whose data it gets.
    pub(super) snapshot: Option<String>,
}

/// Which snapshot the datastore in this directory was last restored from; empty for its own data.
pub(super) fn restored(machine: &Machine, server: &str) -> Result<Option<String>> {
    machine.read_text(&record(server))
}

/// When that was.
pub(super) fn restored_at(machine: &Machine, server: &str) -> Result<Option<Timestamp>> {
    modified(machine, &record(server))
}

/// Beside the data, so that it goes where they go.
fn record(server: &str) -> String {
    format!("{server}/db/airlock-restored")
}

impl Reset {
    fn source(&self) -> &str {
        self.snapshot.as_deref().unwrap_or_default()
    }

    fn flag(&self) -> String {
        format!("{}/db/reset-flag", self.server)
    }

    fn call(&self) -> Call {
        let call =
            Call::new(paths::PROGRAM).with(["server", "--cluster-reset", "--config", CONFIG]).within(RESET);
        match &self.snapshot {
            Some(path) => call.with([format!("--cluster-reset-restore-path={path}")]),
            None => call,
        }
    }

    fn write_config(work: &mut Work<'_>) -> Result<()> {
        let text = work.machine().read_text(paths::CONFIG)?.unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with("server:"));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        work.write_file(CONFIG, text.as_bytes(), 0o600)
    }

    fn failed(&self, finished: &Finished) -> Error {
        let all = format!("{}\n{}", finished.output, finished.errors);
        let lines: Vec<&str> = all.lines().filter(|line| !line.trim().is_empty()).collect();
        let told = &lines[lines.len().saturating_sub(TOLD)..];
        let error = Error::new(codes::DATASTORE_RESET, "k3s could not reset its datastore").with_help(format!(
            "nothing is lost: what was there lies beside it, `sudo ls {}/db`; if the snapshot is damaged, take another \
             one: `airlock cluster etcd snapshot list`",
            self.server
        ));
        told.iter().fold(error, |error, line| error.with_detail(escape(line)))
    }
}

impl Step for Reset {
    fn name(&self) -> &'static str {
        names::RECOVERY_RESET
    }

    fn title(&self) -> String {
        match &self.snapshot {
            Some(path) => format!("Restore etcd from {}", quote(path)),
            None => "Reset etcd to this member".to_owned(),
        }
    }

    fn deadline(&self) -> Duration {
        RESET + Duration::from_secs(60)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        if let Some(path) = &self.snapshot
            && machine.metadata(path)?.is_none()
        {
            let message = format!("there is no snapshot `{}` on this node", quote(path));
            return Err(Error::new(codes::SNAPSHOT_UNKNOWN, message)
                .with_help("`airlock cluster etcd snapshot list` names those that there are"));
        }
        let is_done = machine.metadata(&self.flag())?.is_some()
            && restored(machine, &self.server)?.as_deref() == Some(self.source());
        let change = || Change::new(Verb::Run, self.call().to_string()).with_detail("the old data are kept");
        Ok((!is_done).then(change).into_iter().collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        Reset::write_config(work)?;
        // That of another reset would keep this one from being done.
        work.remove_file(&self.flag())?;
        let finished = work.machine().run(&self.call().within(work.time_left()));
        work.remove_file(CONFIG)?;
        work.disown(Owned::File { path: CONFIG.to_owned() })?;
        let finished = finished?;
        let has_said = [&finished.output, &finished.errors].iter().any(|text| text.contains(DONE));
        if !finished.is_well() && !has_said {
            return Err(self.failed(&finished));
        }
        work.write_file(&record(&self.server), self.source().as_bytes(), 0o600)?;
        Ok(Outcome::Done)
    }
}
