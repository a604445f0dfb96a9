//! `airlock node agent`: the other end of `airlock cluster`.

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::root;
use crate::cli::session::Session;
use crate::cli::signals::Stop;
use crate::error::{Error, Result, codes};
use crate::node::agent::serve::{Agent, Surroundings};
use crate::node::k3s::paths;

/// Run one command for `airlock cluster`
///
/// Reads what to run from standard input and streams back what it says, in the format of
/// bundle-spec/agent.md. Needs root.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct AgentArgs {}

pub(super) async fn run(_: AgentArgs, session: Session, stop: Stop) -> Result<()> {
    root::require("working for `airlock cluster`", &session)?;
    let airlock = session.environment().program.clone().ok_or_else(|| {
        Error::new(codes::RESOURCES, "the file of the running program cannot be found")
            .with_help("mount /proc, then run the same command again")
    })?;
    let agent = Agent::new(Surroundings { airlock, k3s: paths::PROGRAM.into(), runtime: "/run".into() });
    let (stopper, of_terminal) = (agent.stopper(), agent.stopper());
    tokio::spawn(async move {
        stop.wait().await;
        stopper.stop();
    });
    // On this machine the agent may share a terminal with `airlock cluster`; without us its command would go on alone.
    if let Ok(mut hangup) = signal(SignalKind::hangup()) {
        tokio::spawn(async move {
            hangup.recv().await;
            of_terminal.stop();
        });
    }
    session.blocking(move |_| agent.serve(std::io::stdin(), std::io::stdout())).await
}
