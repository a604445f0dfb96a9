//! `airlock bundle verify`: is this bundle what a trusted signer made?

use std::path::PathBuf;

use super::trust_options::TrustOptions;
use crate::cli::values::whole_number;

/// Check a bundle: its signature, then every byte
///
/// The signature must be of a key in the list of allowed signers. Then every blob is compared with the
/// digest and length that were signed, on all cores. All damage is listed, not only the first. Needs no
/// root and writes nothing.
///
/// Exit status: 0 as signed, 4 damaged or a volume missing, 5 not signed by a trusted key, 6 older than
/// --minimum-serial, 11 could not be read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The bundle: its directory, or its volumes, which may lie in different directories
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,

    /// Threads that compute digests, 1 to 256 [default: one per core]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole_number::<usize>(1..=256),
    )]
    pub threads: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle verify /media/stick
  airlock bundle verify /media/a /media/b --allowed-signers signers";
