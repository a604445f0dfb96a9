//! `airlock registry`: serve images, packages and bundles to the nodes of a cluster.

mod handover;
pub mod listen_address;
pub mod serve;
pub mod upstream_options;

use super::session::Session;
use super::signals::Stop;
use crate::error::Result;

/// Serve images, packages and bundles to the nodes of a cluster
///
/// A complete OCI registry in this program: containerd, k3s, docker, podman and skopeo pull from it and push
/// to it, apt installs from it, other nodes fetch from it.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false)]
pub struct Registry {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock registry`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    Serve(serve::ServeArgs),
}

impl Registry {
    pub(super) async fn run(self, session: Session, stop: Stop) -> Result<()> {
        match self.command {
            Command::Serve(arguments) => serve::run(arguments, &session, stop).await,
        }
    }
}
