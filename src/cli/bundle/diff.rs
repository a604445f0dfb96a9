//! `airlock bundle diff`: what changes from one bundle to the next?

use std::path::PathBuf;

use super::trust_options::TrustOptions;

/// Show what differs between two bundles: artifacts added, removed and changed, and bytes that are new
///
/// The signatures of both are checked first; the blobs are not read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DiffArgs {
    /// The older bundle: its directory or one of its volumes
    #[arg(value_name = "A")]
    pub old: PathBuf,

    /// The newer bundle
    #[arg(value_name = "B")]
    pub new: PathBuf,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Example:
  airlock bundle diff old/edge-1.0.tar new/edge-1.1.tar";
