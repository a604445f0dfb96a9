//! `airlock store verify`: is everything in the store as it should be?

use super::{StoreOptions, all_cores};
use crate::cli::session::Session;
use crate::error::Result;
use crate::store::verify::Report;
use crate::ui::human;

/// Read every blob of the store and compare it with its digest; find what is missing
///
/// Changes nothing, and works while images are served. Exit status: 0 all is well, 4 damaged or missing,
/// 11 could not be read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock store verify
  airlock store verify --json | jq -r '.damage[].digest'";

pub(super) fn run(arguments: VerifyArgs, session: &Session) -> Result<()> {
    let report = arguments.store.open()?.verify(all_cores(), session.progress())?;
    session.print(&report, human)?;
    report.into_result().map(drop)
}

/// Nothing when there is damage: the error lists that.
fn human(report: &Report) -> String {
    if !report.damage.is_empty() {
        return String::new();
    }
    format!("the store is intact: {}, {}\n", human::count(report.blobs, "blob"), human::size(report.bytes))
}
