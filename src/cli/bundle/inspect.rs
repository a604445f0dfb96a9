//! `airlock bundle inspect`: what is in this bundle?

use std::path::PathBuf;

use super::trust_options::TrustOptions;

/// Show what is in a bundle: images with their platforms, k3s, files, sizes and origins
///
/// The signature is checked first; the blobs are not read. A size followed by "shared" counts bytes that
/// other artifacts of the bundle need as well and that are carried once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct InspectArgs {
    /// The bundle: its directory or one of its volumes
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle inspect /media/stick
  airlock bundle inspect edge-1.0.tar --json | jq '.artifacts[].name'";
