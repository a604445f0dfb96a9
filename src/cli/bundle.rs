//! `airlock bundle`: make, check and use bundles.

mod apt_settings;
pub mod build;
pub mod diff;
pub mod extract;
pub mod fetch;
pub mod fetch_options;
pub mod inspect;
pub mod lock;
pub(super) mod opened;
pub mod plan;
mod proof;
pub mod sign;
pub mod signing_options;
pub mod spec_options;
pub mod trust_options;
pub mod verify;
mod workshop;

use super::session::Session;
use crate::error::Result;

/// Make, check and use bundles
///
/// A bundle is one or several plain tar files (volumes) that hold container images, k3s and files as an
/// OCI image layout, with a signed list of everything in it.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false)]
pub struct Bundle {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock bundle`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    Build(build::BuildArgs),
    Lock(lock::LockArgs),
    Plan(plan::PlanArgs),
    Fetch(fetch::FetchArgs),
    Verify(verify::VerifyArgs),
    Inspect(inspect::InspectArgs),
    Diff(diff::DiffArgs),
    Extract(Box<extract::ExtractArgs>),
    Sign(sign::SignArgs),
}

impl Bundle {
    pub(super) async fn run(self, session: Session) -> Result<()> {
        match self.command {
            Command::Build(arguments) => build::run(arguments, &session).await,
            Command::Lock(arguments) => lock::run(arguments, &session).await,
            Command::Plan(arguments) => plan::run(arguments, &session).await,
            Command::Fetch(arguments) => fetch::run(arguments, &session).await,
            Command::Verify(arguments) => session.blocking(|session| verify::run(arguments, session)).await,
            Command::Inspect(arguments) => session.blocking(|session| inspect::run(arguments, session)).await,
            Command::Diff(arguments) => session.blocking(|session| diff::run(arguments, session)).await,
            Command::Extract(arguments) => {
                session.blocking(|session| extract::run(*arguments, session)).await
            }
            Command::Sign(arguments) => session.blocking(|session| sign::run(arguments, session)).await,
        }
    }
}
