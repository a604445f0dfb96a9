//! `airlock bundle extract`: take something out of a bundle.

use std::path::PathBuf;

use super::trust_options::TrustOptions;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;

/// Take one image, one file, k3s or everything out of a bundle
///
/// An image becomes an OCI image layout directory, which skopeo, oras and podman read; --all gives the
/// layout of the whole bundle. Every byte is compared with what was signed as it is copied, and X gets its
/// name only when it is complete. Nothing is ever overwritten.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["image", "file", "k3s", "all"])))]
pub struct ExtractArgs {
    /// The bundle: its directory or one of its volumes
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// The image with this reference, as an OCI image layout directory
    #[arg(long, value_name = "REF")]
    pub image: Option<Reference>,

    /// The file with this path on the node
    #[arg(long, value_name = "PATH", id = "file")]
    pub file: Option<String>,

    /// The k3s binary; the platform may be left out when the bundle has only one
    #[arg(long, value_name = "PLATFORM", num_args = 0..=1)]
    pub k3s: Option<Option<Platform>>,

    /// Everything, as one OCI image layout directory
    #[arg(long)]
    pub all: bool,

    /// Where to put it; must not exist
    #[arg(short, long, value_name = "X")]
    pub output: PathBuf,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle extract /media/stick --image docker.io/library/busybox:1.36 --output busybox
  airlock bundle extract /media/stick --k3s linux/arm64 --output k3s";
