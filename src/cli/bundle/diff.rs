//! `airlock bundle diff`: what changes from one bundle to the next?

use std::path::PathBuf;

use serde::Serialize;

use super::opened;
use super::trust_options::TrustOptions;
use crate::bundle::diff::{Diff, diff};
use crate::bundle::reader::{Bundle, Verified};
use crate::cli::session::Session;
use crate::error::Result;
use crate::ui::human;
use crate::ui::text::escape;

/// Show what differs between two bundles: artifacts added, removed and changed, and bytes that are new
///
/// Of the packages for a kind of node, those are listed that were added, removed or moved to another version.
/// The signatures of both are checked first; the blobs are not read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DiffArgs {
    /// The older bundle: its directory or one of its volumes
    #[arg(value_name = "A")]
    pub old: PathBuf,

    /// The newer bundle
    #[arg(value_name = "B")]
    pub new: PathBuf,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Example:
  airlock bundle diff old/edge-1.0.tar new/edge-1.1.tar";

/// The two bundles and what differs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    old: String,
    new: String,
    #[serde(flatten)]
    diff: Diff,
}

pub(super) fn run(arguments: DiffArgs, session: &Session) -> Result<()> {
    let trust = arguments.trust.check(session.environment());
    let old = opened::open(&arguments.old, &trust, session)?;
    let new = opened::open(&arguments.new, &trust, session)?;
    let title = |bundle: &Bundle<Verified>| {
        let manifest = bundle.manifest();
        format!("{} {} (serial {})", manifest.name, manifest.version, manifest.serial)
    };
    let compared =
        Compared { old: title(&old), new: title(&new), diff: diff(old.manifest(), new.manifest()) };
    session.print(&compared, Compared::human)
}

impl Compared {
    fn human(&self) -> String {
        let diff = &self.diff;
        let mut text = format!("from  {}\nto    {}\n\n", escape(&self.old), escape(&self.new));
        for (sign, entries) in [('+', &diff.added), ('-', &diff.removed), ('~', &diff.changed)] {
            for entry in entries {
                text.push_str(&format!("{sign} {:9} {}\n", entry.kind, escape(&entry.name)));
                for package in &entry.packages {
                    text.push_str(&format!("    {}\n", escape(&package.to_string())));
                }
            }
        }
        let unchanged = human::count(diff.unchanged as u64, "artifact");
        text.push_str(&format!("= {unchanged} unchanged\n\n"));
        let [new, shared, dropped] = [diff.new_bytes, diff.shared_bytes, diff.dropped_bytes].map(human::size);
        text.push_str(&format!("bytes  {new} new, {shared} in both, {dropped} gone\n"));
        text
    }
}
