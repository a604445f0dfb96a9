//! The section `apt` of `bundle.yaml`, checked: which packages to carry for which kind of node.
//!
//! What the file says once for all targets has been copied into each of them here.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::debian::openpgp::Fingerprint;
use crate::debian::universe::pins::Pin;
use crate::oci::platform::Platform;

/// One kind of node to carry packages for: a release on an architecture, and what is installed there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, unique in the bundle and part of paths: `[a-z0-9]` with `.`, `_`, `-` between. The host's name,
    /// and the architecture if that is needed to tell two apart, unless the spec gives another.
    pub name: String,
    /// The distribution, such as `debian-12`.
    pub host: String,
    /// What the node runs on.
    pub platform: Platform,
    /// What is assumed to be installed already.
    pub baseline: Baseline,
    /// The archive of the distribution itself; comes before all other repositories.
    pub archive: Archive,
    /// Further repositories, in the order of the file: those for all targets, then those of this one.
    pub repositories: Vec<Repository>,
    /// What to install, in the order of the file: for all targets, then for this one. Groups are expanded.
    pub packages: Vec<Wish>,
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// As in apt's preferences, those of this target first.
    pub pins: Vec<Pin>,
    /// Names of installed packages that must stay as they are.
    pub holds: BTreeSet<String>,
    /// 1-based line of the target in the spec.
    pub line: usize,
}

/// What is assumed to be on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// What every installation has: essential packages, those of priority `required`, and apt.
    Essential,
    /// The list recorded for a server installation of the release.
    Server,
    /// The list recorded for the cloud image of the release.
    Cloud,
    /// A copy of `/var/lib/dpkg/status` of a node, as typed: absolute, or relative to the spec's directory.
    Status(PathBuf),
}

/// The archive of the distribution itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// Where it is; what this machine's own apt uses unless given.
    pub uri: Option<String>,
    /// Where its security updates are; as for `uri`, and the same as `uri` if only that is given.
    pub security_uri: Option<String>,
    /// Its components; `main` unless given.
    pub components: Vec<String>,
    /// Its suites, if not those that the release usually has.
    pub suites: Option<Vec<String>>,
    /// Its keys; those this machine's own apt trusts for it unless given.
    pub signed_by: Option<SignedBy>,
    /// Use it although its `Release` has expired, as that of a snapshot always has.
    pub allow_expired: bool,
}

/// A further repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Where it is; `$(ARCH)` stands for the architecture.
    pub uri: String,
    /// Its suites; one that ends in `/` is a flat repository.
    pub suites: Vec<String>,
    /// Its components; empty for a flat repository.
    pub components: Vec<String>,
    /// Its keys.
    pub signed_by: SignedBy,
    /// Patterns of names (`*`, `?`) of the only packages that are taken from here; empty for all.
    pub only: Vec<String>,
    /// Use it although its `Release` has expired.
    pub allow_expired: bool,
    /// 1-based line of the entry in the spec.
    pub line: usize,
}

/// The keys whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum SignedBy {
    /// A keyring file, as typed: absolute, or relative to the spec's directory. If there are fingerprints, only these
    /// keys of it.
    File { path: PathBuf, fingerprints: Vec<Fingerprint> },
    /// An armored key that stands in the spec.
    Armored(String),
    /// A keyring at a URL. Never without fingerprints, since nothing else vouches for it.
    Url { url: String, fingerprints: Vec<Fingerprint> },
}

/// One package that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// As on apt's command line: `name`, `name:architecture`, `name=version`, `name/suite`, or `task^`.
    pub text: String,
    /// 1-based line in the spec.
    pub line: usize,
}
