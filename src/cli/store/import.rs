//! `airlock store import`: copy a bundle into the store.

use std::path::PathBuf;

use serde::Serialize;

use super::{StoreOptions, all_cores};
use crate::cli::bundle::opened;
use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::session::Session;
use crate::error::Result;
use crate::store::Store;
use crate::store::import::Imported;
use crate::ui::human;
use crate::ui::text::escape;

/// Copy a bundle into the store, so that its images and files can be served without the medium
///
/// The signature is checked first, then whether the disk has room. Every blob is copied once and compared
/// with what was signed as it passes; what is there already is read and left alone. Images appear when
/// everything is there. May be interrupted at any moment and simply be run again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ImportArgs {
    /// The bundle: its directory or one of its volumes; where volumes lie apart, all of them or their directories
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Which store.
    #[command(flatten)]
    pub store: StoreOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock store import /media/stick
  airlock store import edge-1.0.tar --store /srv/store";

#[derive(Serialize)]
struct Outcome {
    bundle: String,
    manifest: String,
    #[serde(flatten)]
    imported: Imported,
}

pub(super) fn run(arguments: ImportArgs, session: &Session) -> Result<()> {
    let trust = arguments.trust.check(session.environment());
    let bundle = opened::open_all(&arguments.paths, &trust, session)?;
    bundle.check_lengths()?;
    let store = Store::create(&arguments.store.store)?;
    let imported = store.import(&bundle, all_cores(), session.progress())?;
    let outcome = Outcome { bundle: bundle.stem(), manifest: bundle.digest().to_string(), imported };
    session.print(&outcome, |outcome| {
        let Imported { copied_blobs, copied_bytes, present_blobs, .. } = outcome.imported;
        let copied = human::count(copied_blobs, "blob");
        format!(
            "imported {}: copied {copied}, {}; {present_blobs} were there already\n",
            escape(&outcome.bundle),
            human::size(copied_bytes)
        )
    })
}
