//! `airlock store`: the blobs and images of this node.

mod gc;
mod import;
mod list;
mod remove;
mod repair;
pub(super) mod repair_source;
mod verify;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::session::Session;
use crate::error::Result;
use crate::store;

/// Look after the store of this node: what bundles brought and what was pushed
///
/// The store is one directory, an OCI image layout with an index of names beside it. It is shared: all
/// commands work while images are served from it, pulled and pushed.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = false)]
pub struct Store {
    /// What to do with it.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `airlock store`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help is the doc comment of the arguments inside")]
pub enum Command {
    List(list::ListArgs),
    Import(import::ImportArgs),
    Remove(remove::RemoveArgs),
    Gc(gc::GcArgs),
    Verify(verify::VerifyArgs),
    Repair(repair::RepairArgs),
}

/// Which store.
#[derive(Clone, Debug, clap::Args)]
pub struct StoreOptions {
    /// The directory of the store
    #[arg(long, value_name = "DIR", default_value = "/var/lib/airlock/store")]
    pub store: PathBuf,
}

impl StoreOptions {
    fn open(&self) -> Result<store::Store> {
        store::Store::open(&self.store)
    }
}

impl Store {
    pub(super) async fn run(self, session: Session) -> Result<()> {
        match self.command {
            Command::List(arguments) => session.blocking(|session| list::run(arguments, session)).await,
            Command::Import(arguments) => session.blocking(|session| import::run(arguments, session)).await,
            Command::Remove(arguments) => session.blocking(|session| remove::run(arguments, session)).await,
            Command::Gc(arguments) => session.blocking(|session| gc::run(arguments, session)).await,
            Command::Verify(arguments) => session.blocking(|session| verify::run(arguments, session)).await,
            Command::Repair(arguments) => session.blocking(|session| repair::run(arguments, session)).await,
        }
    }
}

fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
