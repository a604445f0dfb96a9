//! `airlock bundle lock`: pin everything that bundle.yaml names.

use serde::Serialize;

use super::fetch_options::FetchOptions;
use super::spec_options::SpecOptions;
use super::workshop::Workshop;
use crate::build::resolve::Update;
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::Result;
use crate::lock::change::{self, Change};
use crate::ui::text::escape;

/// Pin every tag, channel and URL of bundle.yaml to a digest and a size
///
/// Writes bundle.lock, which belongs into version control: its changes are what changes in the bundle.
/// What is pinned already stays as it is, unless --update asks for a fresh look.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct LockArgs {
    /// The spec and what belongs to it.
    #[command(flatten)]
    pub files: SpecOptions,

    /// Resolve again what is pinned already: everything, or only what is named
    ///
    /// A name is an image reference as in bundle.yaml, `k3s`, the path of a file on the node, or `airlock`
    /// for the programs that travel along. SPEC must stand before this option.
    #[arg(long, value_name = "NAME", num_args = 0..)]
    pub update: Option<Vec<String>>,

    /// Options of fetching.
    #[command(flatten)]
    pub fetching: FetchOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle lock
  airlock bundle lock --update
  airlock bundle lock site.yaml --update docker.io/library/nginx:1.29 k3s";

/// The result, for people and for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Locked {
    lock: String,
    serial: u64,
    unchanged: bool,
    changes: Vec<Change>,
}

pub(super) async fn run(arguments: LockArgs, session: &Session) -> Result<()> {
    let fetching = arguments.fetching.check(session.environment())?;
    let workshop = Workshop::open(&arguments.files.check(), &fetching, session)?;
    let resolved = workshop.resolve(&update(arguments.update)).await?;
    let locked = Locked {
        changes: workshop.save(&resolved.lock)?,
        unchanged: workshop.is_unchanged(&resolved.lock),
        lock: files::shown(workshop.lock_path()),
        serial: resolved.lock.serial,
    };
    session.print(&locked, Locked::human)
}

/// What `--update` means: absent, without names, with names.
fn update(names: Option<Vec<String>>) -> Update {
    match names {
        None => Update::Missing,
        Some(names) if names.is_empty() => Update::Everything,
        Some(names) => Update::Named(names),
    }
}

impl Locked {
    fn human(&self) -> String {
        let Locked { lock, serial, .. } = self;
        if self.unchanged {
            return format!("{lock} covers everything already (serial {serial})\n");
        }
        let mut text = format!("{lock} has serial {serial} now\n");
        for line in change::lines(&self.changes) {
            text.push_str(&format!("{}\n", escape(&line)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        lock: LockArgs,
    }

    #[test]
    fn updating_nothing_everything_or_some() {
        let named = Update::Named(vec!["k3s".to_owned(), "a:1".to_owned()]);
        for (words, update) in [
            (&["lock", "site.yaml"][..], Update::Missing),
            (&["lock", "--update"], Update::Everything),
            (&["lock", "site.yaml", "--update", "k3s", "a:1"], named),
        ] {
            assert_eq!(super::update(Line::parse_from(words).lock.update), update, "{words:?}");
        }
    }
}
