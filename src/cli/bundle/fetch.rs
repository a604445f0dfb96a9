//! `airlock bundle fetch`: fill the cache, so that a later build needs no network.

use serde::Serialize;

use super::fetch_options::FetchOptions;
use super::spec_options::SpecOptions;
use super::workshop::Workshop;
use crate::build::plan::Plan;
use crate::build::resolve::Update;
use crate::cli::session::Session;
use crate::error::Result;
use crate::lock::change;
use crate::progress::{Event, Stage};
use crate::ui::human;

/// Fetch everything a build needs into the cache, without building
///
/// Pins what the lock lacks, then fetches. A build afterwards transfers nothing: good for doing the long
/// part before the stick is at hand.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct FetchArgs {
    /// The spec and what belongs to it.
    #[command(flatten)]
    pub files: SpecOptions,

    /// Refuse to fetch anything that the lock does not pin
    #[arg(long)]
    pub locked: bool,

    /// Options of fetching.
    #[command(flatten)]
    pub fetching: FetchOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle fetch
  airlock bundle fetch site.yaml --connections 16";

/// The result, for people and for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fetched {
    transferred_blobs: u64,
    cached_blobs: u64,
    size: u64,
}

pub(super) async fn run(arguments: FetchArgs, session: &Session) -> Result<()> {
    let fetching = arguments.fetching.check(session.environment())?;
    let workshop = Workshop::open(&arguments.files.check(), &fetching, session)?;
    let update = if arguments.locked { Update::Nothing } else { Update::Missing };
    let resolved = workshop.resolve(&update).await?;
    for line in change::lines(&workshop.save(&resolved.lock)?) {
        session.note(&format!("bundle.lock: {line}"));
    }
    let wanted = Plan::new(&resolved.lock, &resolved)?.wanted();
    let size = wanted.iter().map(|blob| blob.size).sum();
    session.progress().event(Event::Started { stage: Stage::Fetch, bytes: Some(size) });
    let cost = workshop.resolver.gatherer.all(wanted, |_| ()).await?;
    session.progress().event(Event::Finished { stage: Stage::Fetch });
    let fetched = Fetched { transferred_blobs: cost.transferred, cached_blobs: cost.cached, size };
    session.print(&fetched, |fetched| {
        let (transferred, cached) = (human::count(fetched.transferred_blobs, "blob"), fetched.cached_blobs);
        format!(
            "fetched {transferred}, {cached} were in the cache already; {} in all\n",
            human::size(fetched.size)
        )
    })
}
