//! `airlock store gc`: give space back.

use std::time::Duration;

use serde::Serialize;

use super::StoreOptions;
use crate::cli::session::Session;
use crate::cli::values::whole_number;
use crate::error::Result;
use crate::store::garbage::{Collected, Mode, Rules};
use crate::ui::human;

/// Delete blobs that no bundle and no manifest needs, and pushes that nobody went on with
///
/// Safe while images are served and pushed, and needs no free space. What somebody has written or asked for
/// within the last hours stays, since a push may be about to need it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct GcArgs {
    /// Hours for which unneeded things are kept, 0 to 8760; 0 only while nobody pushes
    #[arg(
        long,
        value_name = "HOURS",
        default_value = "24",
        allow_negative_numbers = true,
        value_parser = whole_number::<u64>(0..=8760),
    )]
    pub grace: u64,

    /// Only tell what would be deleted
    #[arg(long)]
    pub dry_run: bool,

    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock store gc
  airlock store gc --grace 0 --dry-run";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    dry_run: bool,
    #[serde(flatten)]
    collected: Collected,
}

pub(super) fn run(arguments: GcArgs, session: &Session) -> Result<()> {
    let store = arguments.store.open()?;
    let mode = if arguments.dry_run { Mode::Tell } else { Mode::Remove };
    let collected =
        store.collect_garbage(Rules::unneeded(Duration::from_secs(arguments.grace * 60 * 60), mode))?;
    for manifest in &collected.unreadable {
        session.warn(&format!("manifest {manifest} cannot be read; `airlock store verify` tells more"));
    }
    let outcome = Outcome { dry_run: arguments.dry_run, collected };
    session.print(&outcome, |outcome| {
        let Collected { blobs, bytes, uploads, .. } = outcome.collected;
        let verb = if outcome.dry_run { "would delete" } else { "deleted" };
        let blobs = format!("{verb} {}, {}", human::count(blobs, "blob"), human::size(bytes));
        match uploads.uploads {
            0 => format!("{blobs}\n"),
            count => {
                format!(
                    "{blobs}; and {}, {}\n",
                    human::count(count, "dead upload"),
                    human::size(uploads.bytes)
                )
            }
        }
    })
}
