//! `airlock node reset`: this machine becomes what it was before.

mod report;

use self::report::{Outcome, Preview};
use crate::cli::install::consent;
use crate::cli::root;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::lock;
use crate::node::machine::Machine;
use crate::node::reset::membership::{self, Membership};
use crate::node::reset::{Reset, Spared};
use crate::node::run;
use crate::quote::quote;

/// Take everything away that airlock has put on this machine
///
/// Stops the services, ends containers, and removes what the journal lists: files, links, units, mounts,
/// network interfaces, firewall rules, data. Files that were in the way come back. What was there before, or
/// came from others, stays, and so do packages without --packages. At the end it looks again whether
/// anything is left, and says so if it is. Needs root.
///
/// It may be interrupted at any moment and simply be run again. In a terminal it asks for the name of the
/// node first. Where airlock has never been it does nothing, and ends with 0.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ResetArgs {
    /// Show what would be removed and what would stay, and change nothing
    #[arg(long)]
    pub plan: bool,

    /// Do not ask for the name of the node
    #[arg(long, short = 'y')]
    pub yes: bool,

    /// Keep the data of the cluster, and the identity of the node in it, for another installation
    #[arg(long)]
    pub keep_data: bool,

    /// Keep the blobs of the registry, so that the next installation copies nothing
    #[arg(long)]
    pub keep_store: bool,

    /// Remove the packages and drivers as well that airlock has installed and nobody else needs
    #[arg(long)]
    pub packages: bool,
}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node reset --plan
  sudo airlock node reset --keep-store
  sudo airlock node reset --packages --yes --json";

pub(super) fn run(arguments: ResetArgs, session: &Session) -> Result<()> {
    root::require("a reset", session)?;
    let machine = Machine::this();
    lock::refuse_if_held(&machine)?;
    let Some(reset) = Reset::of(&machine, arguments.spared())? else {
        return session.print(&Outcome::default(), Outcome::human);
    };
    let preview = preview(&reset, &machine)?;
    if arguments.plan {
        return session.print(&preview, Preview::human);
    }
    if !preview.plan.is_empty() && !arguments.yes {
        agree(&preview)?;
    }
    run::run("reset", &reset.steps(), &machine, session.progress())?;
    let mut outcome = Outcome::of(preview);
    outcome.kept.extend(reset.filled_directories(&machine)?);
    session.print(&outcome, Outcome::human)
}

impl ResetArgs {
    fn spared(&self) -> Spared {
        Spared { data: self.keep_data, store: self.keep_store, packages: !self.packages }
    }
}

fn preview(reset: &Reset, machine: &Machine) -> Result<Preview> {
    let membership = Membership::of(machine);
    Ok(Preview {
        node: membership::name(machine),
        plan: reset.plan(machine)?,
        kept: reset.kept(machine)?,
        loss: membership.as_ref().and_then(|member| member.loss(reset.spared.data)),
        farewell: membership.as_ref().and_then(Membership::farewell),
    })
}

/// The operator types the name of the node: a reset on the wrong machine is not undone by running it again.
fn agree(preview: &Preview) -> Result<()> {
    let node = quote(&preview.node);
    if !consent::has_terminal() {
        let message = "a reset asks for the name of the node, and nobody can be asked here";
        return Err(Error::new(codes::RESET_CONSENT, message).with_help(
            "look at it first, `airlock node reset --plan`, and then agree beforehand: `airlock node reset --yes`",
        ));
    }
    let typed =
        consent::ask(&format!("{}\nTo go on, type the name of this node, {node}: ", preview.human()))?;
    if typed == preview.node {
        return Ok(());
    }
    let message = format!("`{}` is not the name of this node; nothing was changed", quote(&typed));
    Err(Error::new(codes::RESET_CONSENT, message).with_help(format!("run it again and type `{node}`")))
}
