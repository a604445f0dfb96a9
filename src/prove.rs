//! Proof at build time: the real apt of the target's release installs the bundle's packages, in a root of that
//! release that has exactly the baseline, without a network.
//!
//! Everything is made from what the lock pins: the root from the packages of the baseline, and what is installed
//! from the repository that travels in the bundle. What apt says becomes evidence in the lock. Where the baseline
//! is the status of a node, apt simulates against that status instead, since nobody has the packages of that node.
//!
//! It takes root, mmdebstrap, and util-linux ([`precondition`]). Nothing outlives it: not a process, not a mount,
//! not a file ([`sandbox`], [`workspace`]).

pub mod precondition;
pub mod root;
pub mod targets;
pub mod tree;

mod modules;
mod sandbox;
mod trial;
mod workspace;

use std::path::Path;

use self::root::Root;
use self::trial::Trial;
use self::workspace::Workspace;
use crate::build::target::Kernel;
use crate::error::Result;
use crate::lock::apt::Evidence;
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::progress::{Event, Progress, Stage};

/// Room for what packages make when they are configured, in bytes: an initial RAM disk, kernel modules, caches.
const SLACK: u64 = 512 << 20;

/// What to try for one target.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Name of the target, for messages.
    pub name: String,
    /// The distribution, such as `debian-12`, for messages.
    pub host: String,
    /// What it runs on.
    pub platform: Platform,
    /// The repository that travels in the bundle.
    pub repository: Vec<tree::File>,
    /// Its `InRelease`.
    pub in_release: Digest,
    /// What is installed by name, written `name=version`.
    pub install: Vec<String>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// The root to install into: the baseline, or with a status the least that apt runs in.
    pub root: Root,
    /// The status of the node that is the baseline.
    pub status: Option<Status>,
    /// Bytes that root and packages have when they are installed, as they say of themselves (`Installed-Size`).
    pub installed_size: u64,
}

/// What a node has installed.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its `/var/lib/dpkg/status`.
    pub text: Vec<u8>,
    /// Its architectures as dpkg names them, the native one first.
    pub architectures: Vec<String>,
}

/// Tries one target, in a directory of its own below `directory`; see the module. When the future is dropped,
/// everything is ended and removed before that returns.
///
/// # Errors
/// `E087x`: what this machine lacks, or what apt refuses, with apt's own last words.
pub async fn prove(candidate: &Candidate, directory: &Path, progress: &dyn Progress) -> Result<Evidence> {
    precondition::check(candidate.platform).await?;
    let workspace = Workspace::open(directory)?;
    precondition::check_space(&Kernel, directory, needed(candidate))?;
    progress.event(Event::ItemStarted { stage: Stage::Prove, name: &candidate.name });
    let root = workspace.path().join("root");
    candidate.root.make(candidate.platform, workspace.path(), &root).await?;
    let evidence = Trial::prepare(candidate, &root)?.run().await?;
    workspace.clear()?;
    progress.event(Event::ItemFinished { stage: Stage::Prove, name: &candidate.name });
    Ok(evidence)
}

/// Bytes that a proof takes at most: both repositories, what is installed from them, and some more.
fn needed(candidate: &Candidate) -> u64 {
    // mmdebstrap copies the packages once more into the root.
    2 * candidate.root.size() + tree::size(&candidate.repository) + candidate.installed_size + SLACK
}
