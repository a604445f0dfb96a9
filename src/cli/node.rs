//! `airlock node`: this machine as a node of a cluster.

mod agent;
mod alive;
mod facts;
mod preflight;
mod reach;
mod receive;
mod recover;
mod repair;
mod reset;
mod restart;
mod settings;
mod status;
mod token;
mod verify;

use super::session::Session;
use super::signals::Stop;
use crate::error::{Error, Result, codes};

/// Look at this machine as a node of a cluster, put it right, or make it what it was before
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false)]
pub struct Node {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock node`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    Agent(agent::AgentArgs),
    Facts(facts::FactsArgs),
    Preflight(preflight::PreflightArgs),
    #[command(hide = true)]
    Receive(receive::ReceiveArgs),
    Verify(verify::VerifyArgs),
    Repair(repair::RepairArgs),
    #[command(hide = true)]
    Recover(recover::RecoverArgs),
    Reset(reset::ResetArgs),
    #[command(hide = true)]
    Settings(settings::SettingsArgs),
    Status(status::StatusArgs),
    Token(token::TokenArgs),
    Reach(reach::ReachArgs),
    Restart(restart::RestartArgs),
    #[command(hide = true)]
    Alive(alive::AliveArgs),
}

impl Node {
    /// Whether it ends by itself, and in order, when a signal asks it to.
    pub(super) fn is_server(&self) -> bool {
        matches!(self.command, Command::Agent(_))
    }

    /// Runs the agent, the only command that is a server.
    pub(super) async fn serve(self, session: Session, stop: Stop) -> Result<()> {
        match self.command {
            Command::Agent(arguments) => agent::run(arguments, session, stop).await,
            _ => self.run(session).await,
        }
    }

    pub(super) async fn run(self, session: Session) -> Result<()> {
        match self.command {
            Command::Agent(_) => Err(Error::new(codes::INTERNAL, "the agent was not started as a server")),
            Command::Facts(arguments) => session.blocking(|session| facts::run(arguments, session)).await,
            Command::Preflight(arguments) => {
                session.blocking(|session| preflight::run(arguments, session)).await
            }
            Command::Receive(arguments) => session.blocking(|session| receive::run(arguments, session)).await,
            Command::Verify(arguments) => session.blocking(|session| verify::run(arguments, session)).await,
            Command::Repair(arguments) => session.blocking(|session| repair::run(arguments, session)).await,
            Command::Recover(arguments) => session.blocking(|session| recover::run(arguments, session)).await,
            Command::Reset(arguments) => session.blocking(|session| reset::run(arguments, session)).await,
            Command::Settings(arguments) => {
                session.blocking(|session| settings::run(arguments, session)).await
            }
            Command::Status(arguments) => session.blocking(|session| status::run(arguments, session)).await,
            Command::Token(arguments) => session.blocking(|session| token::run(arguments, session)).await,
            Command::Reach(arguments) => reach::run(arguments, session).await,
            Command::Restart(arguments) => session.blocking(|session| restart::run(arguments, session)).await,
            Command::Alive(arguments) => session.blocking(move |_| alive::run(&arguments)).await,
        }
    }
}
