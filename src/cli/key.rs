//! `airlock key`: keys that sign bundles.

pub mod generate;
mod public;
pub mod show;

use super::session::Session;
use crate::error::Result;

/// Make and show keys that sign bundles
///
/// They are ordinary ed25519 keys of OpenSSH: `ssh-keygen` reads them, and keys made by `ssh-keygen -t
/// ed25519` or held by an ssh-agent sign bundles as well.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false)]
pub struct Key {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock key`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    Generate(generate::GenerateArgs),
    Show(show::ShowArgs),
}

impl Key {
    pub(super) async fn run(self, session: Session) -> Result<()> {
        match self.command {
            Command::Generate(arguments) => {
                session.blocking(|session| generate::run(arguments, session)).await
            }
            Command::Show(arguments) => session.blocking(|session| show::run(arguments, session)).await,
        }
    }
}
