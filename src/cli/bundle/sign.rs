//! `airlock bundle sign`: add a signature to a finished bundle.

use std::path::PathBuf;

use super::signing_options::SigningOptions;

/// Add a signature to a bundle that is finished, without rewriting its volumes
///
/// The signature becomes a file of its own beside the volumes. This is how a second person signs, and how
/// an unsigned bundle is signed later. Look at what you sign: `airlock bundle inspect` and `airlock bundle
/// diff` show it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct SignArgs {
    /// The bundle: its directory or one of its volumes
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Options of signing.
    #[command(flatten)]
    pub signing: SigningOptions,
}

const EXAMPLES: &str = "\
Example:
  airlock bundle sign /media/stick --key ~/.ssh/id_ed25519.pub";
