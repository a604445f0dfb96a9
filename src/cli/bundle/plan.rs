//! `airlock bundle plan`: what a build would do.

use serde::Serialize;

use super::fetch_options::FetchOptions;
use super::spec_options::SpecOptions;
use super::workshop::Workshop;
use crate::build::plan::{self, Row};
use crate::build::resolve::Update;
use crate::cli::session::Session;
use crate::error::Result;
use crate::lock::change::{self, Change};
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// Show what a build would fetch, and how many bytes, without building anything
///
/// What the lock does not pin is looked up, so registries are asked for digests and sizes; a file behind a
/// URL without `sha256` has to be downloaded for that. Neither lock nor target is written.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct PlanArgs {
    /// The spec and what belongs to it.
    #[command(flatten)]
    pub files: SpecOptions,

    /// Options of fetching.
    #[command(flatten)]
    pub fetching: FetchOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle plan
  airlock bundle plan site.yaml --json";

/// The result, for people and for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Planned {
    name: String,
    version: String,
    serial: u64,
    lock_changes: Vec<Change>,
    artifacts: Vec<Row>,
    blobs: usize,
    size: u64,
    to_fetch: u64,
}

pub(super) async fn run(arguments: PlanArgs, session: &Session) -> Result<()> {
    let fetching = arguments.fetching.check(session.environment())?;
    let workshop = Workshop::open(&arguments.files.check(), &fetching, session)?;
    let resolved = workshop.resolve(&Update::Missing).await?;
    let plan = plan::Plan::new(&resolved.lock, &resolved)?;
    let artifacts = plan.rows(workshop.resolver.gatherer.cache());
    let planned = Planned {
        name: plan.manifest.name.clone(),
        version: plan.manifest.version.clone(),
        serial: plan.manifest.serial,
        lock_changes: workshop.changes(&resolved.lock),
        blobs: plan.manifest.blobs.len(),
        size: plan.size(),
        to_fetch: artifacts.iter().map(|row| row.to_fetch).sum(),
        artifacts,
    };
    session.print(&planned, Planned::human)
}

impl Planned {
    fn human(&self) -> String {
        let mut table =
            Table::new([("ARTIFACT", Align::Left), ("SIZE", Align::Right), ("TO FETCH", Align::Right)]);
        for row in &self.artifacts {
            let to_fetch = if row.to_fetch == 0 { "-".to_owned() } else { human::size(row.to_fetch) };
            let packages =
                row.packages.map(|number| format!(" ({})", human::count(number as u64, "package")));
            let name = format!("{}{}", row.name, packages.unwrap_or_default());
            table.row([&name, &human::size(row.size), &to_fetch]);
        }
        let mut text = table.render();
        let blobs = human::count(self.blobs as u64, "blob");
        text.push_str(&format!(
            "\n{} {} (serial {}): {blobs}, {} to write, {} to fetch\n",
            self.name,
            self.version,
            self.serial,
            human::size(self.size),
            human::size(self.to_fetch)
        ));
        if !self.lock_changes.is_empty() {
            text.push_str("\nbundle.lock would change:\n");
        }
        for line in change::lines(&self.lock_changes) {
            text.push_str(&format!("{}\n", escape(&line)));
        }
        text
    }
}
