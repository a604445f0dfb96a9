//! `airlock bundle plan`: what a build would do.

use std::path::PathBuf;

use super::fetch_options::{FetchOptions, Fetching};
use crate::cli::environment::Environment;
use crate::error::Result;

/// Show what a build would fetch, and how many bytes, without fetching or writing anything
///
/// What the lock does not pin is resolved, so registries are asked for digests and sizes.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct PlanArgs {
    /// What should be in the bundle
    #[arg(value_name = "SPEC", default_value = "bundle.yaml")]
    pub spec: PathBuf,

    /// The lock [default: SPEC with the ending `.lock`]
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Options of fetching.
    #[command(flatten)]
    pub fetching: FetchOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle plan
  airlock bundle plan site.yaml --json";

/// What to plan, checked.
#[derive(Debug)]
pub struct Plan {
    /// Path of the spec.
    pub spec: PathBuf,
    /// Path of the lock; need not exist.
    pub lock: PathBuf,
    /// How to fetch.
    pub fetching: Fetching,
}

impl PlanArgs {
    /// Fills in defaults.
    pub fn check(self, environment: &Environment) -> Result<Plan> {
        Ok(Plan {
            lock: self.lock.unwrap_or_else(|| self.spec.with_extension("lock")),
            spec: self.spec,
            fetching: self.fetching.check(environment)?,
        })
    }
}
