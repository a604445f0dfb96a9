//! `airlock cluster cordon` and `uncordon`: new pods stay away from nodes, or come back.

use super::change::{ChangeOptions, SiteOptions, carry_out};
use super::connect::with_site;
use crate::cli::session::Session;
use crate::cluster::operation::cordon;
use crate::error::Result;

/// Keep new pods away from nodes
///
/// Those that run there stay; `airlock cluster drain` moves them elsewhere.
#[derive(Debug, clap::Args)]
pub struct CordonArgs {
    /// The nodes
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,

    /// Which inventory, and how its hosts are connected to.
    #[command(flatten)]
    pub file: SiteOptions,

    /// Options of the change.
    #[command(flatten)]
    pub change: ChangeOptions,
}

/// Let new pods come to nodes again
#[derive(Debug, clap::Args)]
pub struct UncordonArgs {
    /// The nodes, and how.
    #[command(flatten)]
    pub nodes: CordonArgs,
}

pub(super) fn run(arguments: &CordonArgs, cordon: bool, session: &Session) -> Result<()> {
    with_site(&arguments.file, session, |site| {
        let plan = cordon::plan(&site.nodes()?, &arguments.nodes, cordon)?;
        carry_out(&plan, (&arguments.change, None), site, None, session)
    })
}
