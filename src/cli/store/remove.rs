//! `airlock store remove`: forget a bundle.

use serde::Serialize;

use super::StoreOptions;
use crate::cli::session::Session;
use crate::error::Result;
use crate::ui::text::escape;

/// Take a bundle out of the store: its images, unless another bundle has them or they were pushed since
///
/// A tag that an earlier bundle had as well names what it named before. The space comes back with
/// `airlock store gc`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RemoveArgs {
    /// The bundle: NAME-VERSION, NAME if there is one of it, or the beginning of its digest
    #[arg(value_name = "BUNDLE")]
    pub bundle: String,

    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock store remove edge-1.0
  airlock store remove edge-1.0 && airlock store gc";

#[derive(Serialize)]
struct Removed {
    bundle: String,
    manifest: String,
}

pub(super) fn run(arguments: RemoveArgs, session: &Session) -> Result<()> {
    let store = arguments.store.open()?;
    let record = store.find_bundle(&arguments.bundle)?;
    store.remove_bundle(&record)?;
    let removed = Removed { bundle: record.stem(), manifest: record.digest.to_string() };
    session.print(&removed, |removed| {
        format!("removed {}; `airlock store gc` gives its space back\n", escape(&removed.bundle))
    })
}
