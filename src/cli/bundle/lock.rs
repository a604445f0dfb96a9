//! `airlock bundle lock`: pin everything without fetching it.

use std::path::PathBuf;

use super::fetch_options::{FetchOptions, Fetching};
use crate::cli::environment::Environment;
use crate::error::Result;

/// Pin every tag, channel and URL of bundle.yaml to a digest and a size
///
/// Writes bundle.lock, which belongs into version control: its changes are what changes in the bundle.
/// What is pinned already stays as it is, unless --update asks for a fresh look.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct LockArgs {
    /// What should be in the bundle
    #[arg(value_name = "SPEC", default_value = "bundle.yaml")]
    pub spec: PathBuf,

    /// The lock [default: SPEC with the ending `.lock`]
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Resolve again what is pinned already: everything, or only what is named
    ///
    /// A name is an image reference as in bundle.yaml, `k3s`, or the path of a file on the node. SPEC must
    /// stand before this option.
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

/// What to pin, checked.
#[derive(Debug)]
pub struct Lock {
    /// Path of the spec.
    pub spec: PathBuf,
    /// Path of the lock; need not exist.
    pub lock: PathBuf,
    /// What to resolve although it is pinned.
    pub update: Update,
    /// How to fetch.
    pub fetching: Fetching,
}

/// What to resolve although it is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Nothing.
    Nothing,
    /// Everything.
    Everything,
    /// What has these names; never empty.
    Named(Vec<String>),
}

impl LockArgs {
    /// Fills in defaults.
    pub fn check(self, environment: &Environment) -> Result<Lock> {
        let update = match self.update {
            None => Update::Nothing,
            Some(names) if names.is_empty() => Update::Everything,
            Some(names) => Update::Named(names),
        };
        Ok(Lock {
            lock: self.lock.unwrap_or_else(|| self.spec.with_extension("lock")),
            spec: self.spec,
            update,
            fetching: self.fetching.check(environment)?,
        })
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
            (&["lock", "site.yaml"][..], Update::Nothing),
            (&["lock", "--update"], Update::Everything),
            (&["lock", "site.yaml", "--update", "k3s", "a:1"], named),
        ] {
            let mut line = Line::parse_from(words);
            line.lock.fetching.cache_dir = Some("cache".into());
            assert_eq!(line.lock.check(&Environment::default()).unwrap().update, update, "{words:?}");
        }
    }
}
