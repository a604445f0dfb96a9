//! What is kept of a run: a log for each host, and a report.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::files;
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

    /// Writes the report, if one is wanted.
    ///
    /// # Errors
    /// [`codes::FILE_WRITE`].
    pub(super) fn write(&self, report: &impl Serialize) -> Result<()> {
        let Some(path) = &self.report else { return Ok(()) };
        let document = json_document(report).map_err(|error| {
            Error::new(codes::INTERNAL, "the report cannot be written as JSON").with_source(error)
        })?;
        files::replace(path, document.as_bytes(), 0o644)
    }
}
