//! `airlock node restart`: restarts this machine, for `airlock cluster`.

use serde::Serialize;

use crate::cli::root;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::driver;
use crate::node::lock;
use crate::node::machine::Machine;
use crate::node::reboot;

/// Restart this machine, unless a command is changing it
///
/// The same as `systemctl reboot`, which does not look whether an installation is at work. Needs root.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub struct RestartArgs {}

#[derive(Serialize)]
struct Restarting {
    /// The boot that ends.
    boot: String,
}

pub(super) fn run(_: RestartArgs, session: &Session) -> Result<()> {
    root::require("restarting the machine", session)?;
    let machine = Machine::this();
    lock::refuse_if_held(&machine)?;
    let boot = driver::boot(&machine)?;
    let finished = machine.run(&reboot::restart())?;
    if !finished.is_well() {
        let why = finished.errors.trim().lines().last().unwrap_or("systemctl failed").to_owned();
        return Err(Error::new(codes::NODE_PROGRAM, "the machine cannot be restarted")
            .with_detail(crate::quote::escape(&why).into_owned())
            .with_help("restart it by hand: `sudo reboot`"));
    }
    session.print(&Restarting { boot }, |_| "restarting\n".to_owned())
}
