//! `airlock cluster inventory`: what an inventory says.

mod convert;
mod show;

use crate::cli::session::Session;
use crate::error::Result;

/// Look at an inventory, or turn one of Ansible into a cluster.yaml
#[derive(Debug, clap::Args)]
#[command(name = "inventory", subcommand_required = true, arg_required_else_help = false)]
pub struct InventoryCommand {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock cluster inventory`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Show(show::ShowArgs),
    Convert(convert::ConvertArgs),
}

impl InventoryCommand {
    pub(super) fn run(self, session: &Session) -> Result<()> {
        match self.command {
            Command::Show(arguments) => show::run(arguments, session),
            Command::Convert(arguments) => convert::run(arguments, session),
        }
    }
}
