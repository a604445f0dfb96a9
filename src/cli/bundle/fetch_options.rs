//! Options of the commands that fetch from registries and web servers.

use std::path::PathBuf;

use crate::cli::environment::Environment;
use crate::cli::values::whole_number;
use crate::error::{Error, Result, codes};

/// Options of fetching, as typed.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Fetching")]
pub struct FetchOptions {
    /// Where fetched blobs are kept for the next run [default: ~/.cache/airlock]
    ///
    /// Several runs may share it at the same time. It may be deleted whenever no airlock runs.
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Downloads at the same time, 1 to 64
    #[arg(
        long,
        value_name = "N",
        default_value = "8",
        allow_negative_numbers = true,
        value_parser = whole_number::<usize>(1..=64),
    )]
    pub connections: usize,
}

/// Options of fetching, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetching {
    /// Where blobs are cached. Need not exist yet.
    pub cache_directory: PathBuf,
    /// Downloads at the same time, 1 to 64.
    pub connections: usize,
}

impl FetchOptions {
    /// Fills in the default cache directory.
    pub fn check(self, environment: &Environment) -> Result<Fetching> {
        let cache_directory = self.cache_dir.or_else(|| environment.cache_directory.clone());
        let cache_directory = cache_directory.ok_or_else(|| {
            Error::new(codes::ENVIRONMENT, "there is no home directory to keep the cache in")
                .with_help("name a directory with room for all blobs: `--cache-dir DIR`")
        })?;
        Ok(Fetching { cache_directory, connections: self.connections })
    }
}
