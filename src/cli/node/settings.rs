//! `airlock node settings`: what is wanted of this node.

use crate::cli::root;
use crate::cli::session::Session;
use crate::error::Result;
use crate::node::machine::Machine;
use crate::node::recovery;
use crate::node::settings::Settings;

/// Print what is wanted of this node, as `install --settings` takes it
///
/// It holds no secret. Prints `null` where nothing was installed. Needs root.
#[derive(Debug, clap::Args)]
pub struct SettingsArgs {}

pub(super) fn run(_: SettingsArgs, session: &Session) -> Result<()> {
    root::require("reading the settings of a node", session)?;
    let settings: Option<Settings> = recovery::settings(&Machine::this())?;
    // Types with text keys always serialise.
    session.print(&settings, |settings| serde_json::to_string_pretty(settings).unwrap_or_default() + "\n")
}
