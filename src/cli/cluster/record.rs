//! What is kept of a run: a log for each host, and a report.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::files;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::ui::text::json_document;

/// What is kept of a run.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RecordOptions {
    /// Directory for the logs of the hosts [default: airlock-cluster-logs/TIME here]
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,

    /// Write what came of it as JSON to FILE (bundle-spec/cluster-report.md)
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

impl RecordOptions {
    /// The directory for the logs of this run.
    pub(super) fn logs(&self) -> PathBuf {
        self.log_dir.clone().unwrap_or_else(|| {
            let time = Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
            Path::new("airlock-cluster-logs").join(time)
        })
    }

    /// Writes the report, if one is wanted, and shows it. Whether that can be done changes nothing about what came of
    /// the run.
    ///
    /// # Errors
    /// That of `result`; [`codes::FILE_WRITE`], and those of showing it.
    pub(super) fn conclude<T: Serialize>(
        &self,
        report: T,
        shown: impl FnOnce(&T) -> String,
        result: impl FnOnce(T) -> Result<()>,
        session: &Session,
    ) -> Result<()> {
        let written = self.write(&report);
        let printed = session.print(&report, shown);
        result(report).map_err(|error| match &written {
            Err(unwritten) => error.with_detail(unwritten.message()),
            Ok(()) => error,
        })?;
        written.and(printed)
    }

    fn write(&self, report: &impl Serialize) -> Result<()> {
        let Some(path) = &self.report else { return Ok(()) };
        let document = json_document(report).map_err(|error| {
            Error::new(codes::INTERNAL, "the report cannot be written as JSON").with_source(error)
        })?;
        files::replace(path, document.as_bytes(), 0o644)
    }
}
