//! `airlock bundle inspect`: what is in this bundle?

mod packages;

use std::path::PathBuf;

use serde::Serialize;

use super::opened::{self, SignerFound};
use super::trust_options::TrustOptions;
use crate::bundle::inspect::{ArtifactSummary, Summary, summarize};
use crate::cli::session::Session;
use crate::error::Result;
use crate::ui::human;
use crate::ui::text::escape;
use crate::ui::tree::Node;

/// Show what is in a bundle: images with their platforms, packages, k3s, files, sizes and origins
///
/// The signature is checked first; the blobs are not read. A size followed by "shared" counts bytes that
/// other artifacts of the bundle need as well and that are carried once.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct InspectArgs {
    /// The bundle: its directory or one of its volumes
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// List every package, not only those that are installed by name; --json always does
    #[arg(long)]
    pub packages: bool,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle inspect /media/stick
  airlock bundle inspect /media/stick --packages
  airlock bundle inspect edge-1.0.tar --json | jq '.artifacts[].name'";

/// What is printed: the summary, and who vouches for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspected {
    #[serde(flatten)]
    summary: Summary,
    manifest: String,
    signers: Vec<SignerFound>,
    volumes: Vec<String>,
}

pub(super) fn run(arguments: InspectArgs, session: &Session) -> Result<()> {
    let trust = arguments.trust.check(session.environment());
    let bundle = opened::open(&arguments.path, &trust, session)?;
    let inspected = Inspected {
        summary: summarize(bundle.manifest()),
        manifest: bundle.digest().to_string(),
        signers: opened::signers(&bundle),
        volumes: bundle.volume_names().map(str::to_owned).collect(),
    };
    session.print(&inspected, |inspected| inspected.human(arguments.packages))
}

impl Inspected {
    fn human(&self, all_packages: bool) -> String {
        let summary = &self.summary;
        let mut root = Node::new(format!("{} {}", summary.name, summary.version));
        for (kind, title) in [
            ("image", "images"),
            ("k3s", "k3s"),
            ("apt", "packages"),
            ("file", "files"),
            ("installer", "installers"),
        ] {
            let of_kind: Vec<_> = summary.artifacts.iter().filter(|artifact| artifact.kind == kind).collect();
            if !of_kind.is_empty() {
                let mut group = Node::new(title);
                of_kind
                    .into_iter()
                    .map(|artifact| artifact_node(artifact, all_packages))
                    .for_each(|node| group.push(node));
                root.push(group);
            }
        }
        format!("{}\n{}", root.render(), self.facts())
    }

    fn facts(&self) -> String {
        let summary = &self.summary;
        let platforms: Vec<String> = summary.platforms.iter().map(ToString::to_string).collect();
        let mut facts = vec![
            ("serial", format!("{} of channel {}", summary.serial, summary.channel)),
            ("created", summary.created.clone()),
            ("platforms", platforms.join(", ")),
            ("hosts", summary.hosts.join(", ")),
            ("content", self.content()),
            ("manifest", self.manifest.clone()),
        ];
        facts.extend(
            self.signers
                .iter()
                .map(|signer| ("signed by", format!("{} {}", signer.name, signer.fingerprint))),
        );
        if self.signers.is_empty() {
            facts.push(("signed by", "NOBODY".to_owned()));
        }
        let lines = facts.iter().filter(|(_, fact)| !fact.is_empty());
        lines.map(|(name, fact)| format!("{name:10} {}\n", escape(fact))).collect()
    }

    fn content(&self) -> String {
        let summary = &self.summary;
        let blobs = human::count(summary.blobs as u64, "blob");
        let volumes = human::count(self.volumes.len() as u64, "volume");
        let shared = match summary.shared_bytes {
            0 => String::new(),
            bytes => format!("; sharing saves {}", human::size(bytes)),
        };
        format!("{blobs}, {} in {volumes}{shared}", human::size(summary.bytes))
    }
}

fn artifact_node(artifact: &ArtifactSummary, all_packages: bool) -> Node {
    let shared = match artifact.bytes - artifact.own_bytes {
        0 => String::new(),
        bytes => format!(", {} shared", human::size(bytes)),
    };
    let mut node = Node::new(&artifact.name).with_detail(format!("{}{shared}", human::size(artifact.bytes)));
    if artifact.kind == "image" {
        let mut line: Vec<String> = artifact.platforms.iter().map(ToString::to_string).collect();
        if artifact.referrers > 0 {
            line.push(human::count(artifact.referrers as u64, "referrer"));
        }
        node.push(Node::new(line.join(", ")));
    }
    if let Some(repository) = &artifact.apt {
        packages::nodes(repository, &artifact.platforms, all_packages)
            .into_iter()
            .for_each(|child| node.push(child));
    }
    if let Some(version) = &artifact.version {
        node.push(Node::new(version));
    }
    if let Some(origin) = &artifact.origin {
        let proof = artifact.authenticated_by.as_deref().map(|proof| format!(" ({proof})"));
        node.push(Node::new(format!("from {origin}{}", proof.unwrap_or_default())));
    }
    node
}
