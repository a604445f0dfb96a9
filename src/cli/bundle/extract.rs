//! `airlock bundle extract`: take something out of a bundle.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::opened;
use super::trust_options::TrustOptions;
use crate::bundle::extract::{self, Existing};
use crate::bundle::manifest::Artifact;
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::Result;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::ui::text::escape;

/// Take one image, one file, packages, k3s or everything out of a bundle
///
/// An image becomes an OCI image layout directory, which skopeo, oras and podman read; --all gives the
/// layout of the whole bundle. Packages become a repository from which apt installs without a network; the line
/// for its list of sources is printed. Every byte is compared with what was signed as it is copied, and X gets
/// its name only when it is complete. What is there already is left alone.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["image", "file", "apt", "k3s", "all"])))]
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

    /// The packages for this target, as a repository for apt; the name may be left out when the bundle has only one
    #[arg(long, value_name = "NAME", num_args = 0..=1)]
    pub apt: Option<Option<String>>,

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
    #[arg(long, conflicts_with_all = ["image", "apt", "all"])]
    pub force: bool,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle extract /media/stick --image docker.io/library/busybox:1.36 --output busybox
  airlock bundle extract /media/stick --apt debian-12 --output /srv/debian-12
  airlock bundle extract /media/stick --k3s linux/arm64 --output k3s";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extracted {
    /// `None` means everything.
    artifact: Option<String>,
    output: String,
    /// The line for apt's list of sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

pub(super) fn run(arguments: ExtractArgs, session: &Session) -> Result<()> {
    let wanted = arguments.wanted();
    let trust = arguments.trust.check(session.environment());
    let bundle = opened::open(&arguments.path, &trust, session)?;
    let existing = if arguments.force { Existing::Replace } else { Existing::Keep };
    let (target, progress) = (arguments.output.as_path(), session.progress());
    let mut source = None;
    let artifact = match wanted {
        None => {
            extract::whole_layout(&bundle, target, progress)?;
            None
        }
        Some(name) => {
            let artifact = bundle.manifest().find(&name)?;
            extract::artifact(&bundle, artifact, target, existing, progress)?;
            if matches!(artifact, Artifact::Apt(_)) {
                source = source_line(target, session);
            }
            Some(artifact.name())
        }
    };
    let extracted = Extracted { artifact, output: target.to_string_lossy().into_owned(), source };
    session.print(&extracted, Extracted::human)
}

/// What apt has to be told, unless the directory lies where apt cannot be told of it.
fn source_line(directory: &Path, session: &Session) -> Option<String> {
    let line = fs_err::canonicalize(directory).ok().and_then(|directory| extract::source_line(&directory));
    if line.is_none() {
        session.warn(&format!(
            "apt cannot read a source in {}: move it where the path has only letters, digits and `/._+~@-`",
            files::shown(directory)
        ));
    }
    line
}

impl Extracted {
    fn human(&self) -> String {
        let lines = [Some(&self.output), self.source.as_ref()].into_iter().flatten();
        lines.map(|line| format!("{}\n", escape(line))).collect()
    }
}

impl ExtractArgs {
    /// The name by which the manifest finds what is wanted; `None` for everything.
    fn wanted(&self) -> Option<String> {
        let k3s = self.k3s.map(|platform| match platform {
            Some(platform) => format!("k3s:{platform}"),
            None => "k3s".to_owned(),
        });
        let apt = self.apt.as_ref().map(|name| match name {
            Some(name) => format!("apt:{}", name.strip_prefix("apt:").unwrap_or(name)),
            None => "apt".to_owned(),
        });
        let image = self.image.as_ref().map(ToString::to_string);
        image.or_else(|| self.file.clone()).or(apt).or(k3s)
    }
}
