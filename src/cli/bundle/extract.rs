//! `airlock bundle extract`: take something out of a bundle.

use std::path::PathBuf;

use serde::Serialize;

use super::opened;
use super::trust_options::TrustOptions;
use crate::bundle::extract::{self, Existing};
use crate::cli::session::Session;
use crate::error::Result;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::ui::text::escape;

/// Take one image, one file, k3s or everything out of a bundle
///
/// An image becomes an OCI image layout directory, which skopeo, oras and podman read; --all gives the
/// layout of the whole bundle. Every byte is compared with what was signed as it is copied, and X gets its
/// name only when it is complete. What is there already is left alone.
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

    /// Where to put it
    #[arg(short, long, value_name = "X")]
    pub output: PathBuf,

    /// Replace a file that is there already; directories are never replaced
    #[arg(long, conflicts_with_all = ["image", "all"])]
    pub force: bool,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle extract /media/stick --image docker.io/library/busybox:1.36 --output busybox
  airlock bundle extract /media/stick --k3s linux/arm64 --output k3s";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    /// `None` means everything.
    artifact: Option<String>,
    output: String,
}

pub(super) fn run(arguments: ExtractArgs, session: &Session) -> Result<()> {
    let wanted = arguments.wanted();
    let trust = arguments.trust.check(session.environment());
    let bundle = opened::open(&arguments.path, &trust, session)?;
    let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
    let (target, progress) = (arguments.output.as_path(), session.progress());
    let artifact = match wanted {
        None => {
            extract::whole_layout(&bundle, target, progress)?;
            None
        }
        Some(name) => {
            let artifact = bundle.manifest().find(&name)?;
            extract::artifact(&bundle, artifact, target, existing, progress)?;
            Some(artifact.name())
        }
    };
    let extracted = Extracted { artifact, output: target.to_string_lossy().into_owned() };
    session.print(&extracted, |extracted| format!("{}\n", escape(&extracted.output)))
}

impl ExtractArgs {
    /// The name by which the manifest finds what is wanted; `None` for everything.
    fn wanted(&self) -> Option<String> {
        let k3s = self.k3s.map(|platform| match platform {
            Some(platform) => format!("k3s:{platform}"),
            None => "k3s".to_owned(),
        });
        self.image.as_ref().map(ToString::to_string).or_else(|| self.file.clone()).or(k3s)
    }
}
