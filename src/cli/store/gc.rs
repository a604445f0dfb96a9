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
///
/// An image whose tag was deleted or given to another image stays: it can still be pulled by its digest.
/// With --untagged it goes as well, unless a bundle brought it or an index or image that stays refers to it;
/// signatures go with their image.
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

    /// Delete also images that no tag names any more
    #[arg(long)]
    pub untagged: bool,

    /// How long they are kept since they were pushed, as in `12h`, `7d` or `4w`; never shorter than --grace
    #[arg(long, value_name = "AGE", default_value = "7d", requires = "untagged", value_parser = age)]
    pub older_than: Duration,

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
  airlock store gc --grace 0 --dry-run
  airlock store gc --untagged --older-than 4w";

/// A whole number of hours, days or weeks.
fn age(text: &str) -> Result<Duration, String> {
    let hours = |unit| match unit {
        'h' => Some(1),
        'd' => Some(24),
        'w' => Some(7 * 24),
        _ => None,
    };
    let parts = text.char_indices().next_back().map(|(end, unit)| (&text[..end], hours(unit)));
    let age = parts.and_then(|(number, hours)| number.parse::<u32>().ok().zip(hours));
    age.map(|(number, hours)| Duration::from_secs(u64::from(number) * hours * 60 * 60))
        .ok_or_else(|| "write an age as `12h`, `7d` or `4w`".to_owned())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    dry_run: bool,
    #[serde(flatten)]
    collected: Collected,
}

pub(super) fn run(arguments: GcArgs, session: &Session) -> Result<()> {
    let store = arguments.store.open()?;
    let rules = Rules {
        grace: Duration::from_secs(arguments.grace * 60 * 60),
        untagged: arguments.untagged.then_some(arguments.older_than),
        mode: if arguments.dry_run { Mode::Tell } else { Mode::Remove },
    };
    let collected = store.collect_garbage(rules)?;
    for manifest in &collected.unreadable {
        session.warn(&format!("manifest {manifest} cannot be read; `airlock store verify` tells more"));
    }
    session.print(&Outcome { dry_run: arguments.dry_run, collected }, Outcome::human)
}

impl Outcome {
    fn human(&self) -> String {
        let Collected { manifests, blobs, bytes, uploads, .. } = self.collected;
        let verb = if self.dry_run { "would delete" } else { "deleted" };
        let untagged = match manifests {
            0 => String::new(),
            count => format!("{} and ", human::count(count, "untagged manifest")),
        };
        let mut text = format!("{verb} {untagged}{}, {}", human::count(blobs, "blob"), human::size(bytes));
        if uploads.uploads > 0 {
            let count = human::count(uploads.uploads, "dead upload");
            text += &format!("; and {count}, {}", human::size(uploads.bytes));
        }
        text + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_hours_days_or_weeks() {
        assert_eq!(age("12h").unwrap(), Duration::from_secs(12 * 60 * 60));
        assert_eq!(age("4w").unwrap(), age("28d").unwrap());
        for text in ["", "d", "7", "-1d", "7 d", "7m", "99999999999d", "7ä"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
