//! `airlock node token`: what others need to join this server's cluster.

use crate::cli::root;
use crate::cli::session::Session;
use crate::error::Result;
use crate::node::invitation::Invitation;
use crate::node::machine::Machine;

/// Print the token with which other nodes join the cluster of this server
///
/// Whoever has it can join, and read everything in the cluster: send it through ssh, keep it in files of mode 0600,
/// never type it. --json prints the authority of the registry as well. Needs root.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct TokenArgs {}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node token | ssh gpu1 'umask 077; cat > token'
  sudo airlock node token --json | jq -r .registry.fingerprint";

pub(super) fn run(_: TokenArgs, session: &Session) -> Result<()> {
    root::require("reading the token of the cluster", session)?;
    let invitation = Invitation::of(&Machine::this())?;
    session.print(&invitation, |invitation| format!("{}\n", invitation.token))
}
