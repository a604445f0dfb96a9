//! Is a node still what its bundle and its settings say? Everything is looked at anew and nothing is changed.
//!
//! | part | what is compared |
//! |---|---|
//! | `signature` | the manifest of the bundle with its signatures, and those with the pinned signers |
//! | `steps` | every file, unit and service of the installation with what its step wants |
//! | `blobs` | every byte that the registry of the node serves with its digest |
//! | `images` | every image with what the registries of others answer, where the node has none of its own |
//! | `packages` | every package of the bundle that is installed with what dpkg has unpacked |

mod blobs;
mod packages;
mod registries;
pub(super) mod signature;
mod steps;

use serde::Serialize;

use super::install::{self, Context};
use super::packages::Modified;
use super::settings::Registry;
use crate::bundle::names;
use crate::error::{Error, Kind, Result, codes};
use crate::oci::digest::Digest;
use crate::progress::Progress;
use crate::store::verify::Damage;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// No blobs of the bundle.
    Quick,
    /// The blobs that lie on this machine; of registries elsewhere what images consist of.
    Usual,
    /// The layers in registries elsewhere as well.
    Deep,
}

/// What was checked, and what differs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The bundle that the node has, `NAME-VERSION`.
    pub bundle: String,
    /// SHA-256 of its manifest.
    pub manifest: Digest,
    /// Name of the node.
    pub node: String,
    /// Every part, those included in which nothing differs.
    pub parts: Vec<Part>,
    /// Blobs of the store that are damaged, for a repair.
    #[serde(skip)]
    pub damage: Vec<Damage>,
    /// Packages that are modified, for a repair.
    #[serde(skip)]
    pub modified: Vec<Modified>,
}

/// A part of the check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name: see the [module](self).
    pub name: &'static str,
    /// How many things were checked.
    pub checked: u64,
    /// What they are, in the singular: `blob`.
    pub of: &'static str,
    /// How many bytes were read, where they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// What differs.
    pub findings: Vec<Finding>,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What: a step, a blob, an image, a package.
    pub what: String,
    /// What differs.
    pub differs: String,
    /// How it is repaired.
    pub repair: String,
    /// It could not be looked at; it may be as it should.
    pub unreadable: bool,
}

impl Part {
    fn new(name: &'static str, of: &'static str) -> Part {
        Part { name, checked: 0, of, bytes: None, findings: Vec::new() }
    }
}

impl Finding {
    fn new(what: impl Into<String>, differs: impl Into<String>, repair: impl Into<String>) -> Finding {
        Finding { what: what.into(), differs: differs.into(), repair: repair.into(), unreadable: false }
    }

    /// Something that could not be looked at, or cannot become what it should.
    fn failed(what: impl Into<String>, error: &Error) -> Finding {
        let causes = error.causes();
        let words: Vec<&str> =
            std::iter::once(error.message()).chain(causes.iter().map(String::as_str)).collect();
        let repair = error.help().unwrap_or("see the reason").to_owned();
        let unreadable =
            matches!(error.kind(), Kind::CouldNotCheck | Kind::Upstream) || error.code() == codes::NODE_FILE;
        Finding { what: what.into(), differs: words.join(": "), repair, unreadable }
    }
}

/// Compares a node with what `context` says. Reports to the stages of reading.
///
/// # Errors
/// Those of [`install::steps`], if what should be cannot even be said; whatever differs is in the report.
pub fn verify(context: &Context, depth: Depth, progress: &dyn Progress) -> Result<Report> {
    let steps = install::steps(context)?;
    let manifest = context.origin.manifest();
    let mut report = Report {
        bundle: names::stem(&manifest.name, &manifest.version),
        manifest: context.origin.digest(),
        node: context.node.clone(),
        parts: vec![signature::part(context), steps::part(&steps, &context.machine)],
        damage: Vec::new(),
        modified: Vec::new(),
    };
    match context.settings.registry {
        _ if context.settings.role.k3s().is_none() => {}
        Registry::Own { .. } if depth == Depth::Quick => {}
        Registry::Own { .. } => {
            let (part, damage) = blobs::part(context, progress)?;
            report.parts.push(part);
            report.damage = damage;
        }
        Registry::Peers { .. } | Registry::External { .. } if depth == Depth::Quick => {}
        Registry::Peers { .. } | Registry::External { .. } => {
            report.parts.push(registries::part(context, depth, progress));
        }
    }
    if let Some(packages) = &context.packages {
        let (part, modified) = packages::part(packages, &context.machine);
        report.parts.push(part);
        report.modified = modified;
    }
    Ok(report)
}

impl Report {
    /// All findings, with the part in which each was made.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        self.parts.iter().flat_map(|part| part.findings.iter().map(|finding| (part.name, finding)))
    }

    /// Whether nothing differs.
    pub fn is_clean(&self) -> bool {
        self.findings().next().is_none()
    }

    /// The error that counts what differs; nothing if all is well. What it is stands in the report.
    ///
    /// # Errors
    /// [`codes::NODE_DAMAGED`]; [`codes::STORE_IO`] if nothing is known to differ, but something could not be read.
    pub fn into_result(self) -> Result<Report> {
        let count = self.findings().count();
        if count == 0 {
            return Ok(self);
        }
        let things = if count == 1 { "one thing".to_owned() } else { format!("{count} things") };
        Err(if self.findings().all(|(_, finding)| finding.unreadable) {
            Error::new(codes::STORE_IO, format!("{things} on this node could not be checked")).with_help(
                "see the reasons; for I/O errors look at `dmesg`, a failing disk has to be replaced",
            )
        } else {
            let differ = if count == 1 { "differs" } else { "differ" };
            let message = format!("this node is not as {} says: {things} {differ}", self.bundle);
            Error::new(codes::NODE_DAMAGED, message).with_help(
                "`sudo airlock node repair --plan` shows what would be done, without `--plan` it is done",
            )
        })
    }
}
