//! `airlock node verify`: is this node still what its bundle and its settings say?

use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::install::again;
use crate::cli::root;
use crate::cli::session::Session;
use crate::error::Result;
use crate::node::verify::{self, Depth, Part, Report};
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// Check every file, unit, package, image and blob of this node against its bundle and its settings
///
/// Looks at the world, not at records: every step of the installation says what it would change, every blob
/// that the registry serves is read and hashed, dpkg is asked about the packages of the bundle, and the
/// signature of the manifest is verified again. Changes nothing. Needs root.
///
/// Exit status: 0 as the bundle says, 4 something differs, 11 could not be read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct VerifyArgs {
    /// Do not read the blobs of the bundle
    #[arg(long, conflicts_with = "deep")]
    pub quick: bool,

    /// Where images come from other nodes or a registry of the site: fetch and hash their layers as well
    #[arg(long)]
    pub deep: bool,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  sudo airlock node verify
  sudo airlock node verify --quick --json | jq -r '.parts[].findings[].what'";

pub(super) fn run(arguments: VerifyArgs, session: &Session) -> Result<()> {
    root::require("checking a node", session)?;
    let depth = match (arguments.quick, arguments.deep) {
        (true, _) => Depth::Quick,
        (_, true) => Depth::Deep,
        _ => Depth::Usual,
    };
    let again = again::again(again::without_options(arguments.trust), session)?;
    let report = verify::verify(&again.context, depth, session.progress())?;
    session.print(&report, table)?;
    report.into_result().map(drop)
}

/// Every part with what was checked, then every finding with how it is repaired.
pub(super) fn table(report: &Report) -> String {
    let mut table = Table::new([("PART", Align::Left), ("CHECKED", Align::Right), ("RESULT", Align::Left)]);
    for part in &report.parts {
        table.row([part.name, &checked(part), &result(part)]);
    }
    let mut text =
        format!("{} against {}\n\n{}", escape(&report.node), escape(&report.bundle), table.render());
    for (part, finding) in report.findings() {
        text += &format!("\n{part}: {}\n  {}\n", escape(&finding.what), escape(&finding.differs));
        text += &format!("  repair: {}\n", escape(&finding.repair));
    }
    text
}

fn checked(part: &Part) -> String {
    let count = human::count(part.checked, part.of);
    part.bytes.map_or_else(|| count.clone(), |bytes| format!("{count}, {}", human::size(bytes)))
}

fn result(part: &Part) -> String {
    match part.findings.len() {
        0 => "as it should be".to_owned(),
        1 => "one finding".to_owned(),
        count => format!("{count} findings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::verify::Finding;
    use crate::oci::digest::Digest;

    fn part(
        name: &'static str,
        checked: u64,
        of: &'static str,
        bytes: Option<u64>,
        findings: Vec<Finding>,
    ) -> Part {
        Part { name, checked, of, bytes, findings }
    }

    fn report() -> Report {
        let finding = |what: &str, differs: &str, repair: &str| Finding {
            what: what.to_owned(),
            differs: differs.to_owned(),
            repair: repair.to_owned(),
            unreadable: false,
        };
        let unit = finding(
            "k3s-service",
            "would restart k3s.service",
            "step k3s-service of the installation is done again",
        );
        let blob = finding(
            "blob sha256:2b11…",
            "is missing; needed by edge-1.0: docker.io/x\x1b[2J",
            "it comes again",
        );
        Report {
            bundle: "edge-1.0".to_owned(),
            manifest: Digest::of(b"manifest"),
            node: "gpu1".to_owned(),
            parts: vec![
                part("signature", 1, "signature", None, Vec::new()),
                part("steps", 15, "step", None, vec![unit.clone(), unit]),
                part("blobs", 812, "blob", Some(9_663_676_416), vec![blob]),
            ],
            damage: Vec::new(),
            modified: Vec::new(),
        }
    }

    #[test]
    fn parts_come_first_and_findings_below_with_their_repair() {
        insta::assert_snapshot!(table(&report()), @r"
        gpu1 against edge-1.0

        PART                  CHECKED  RESULT
        signature         1 signature  as it should be
        steps                15 steps  2 findings
        blobs      812 blobs, 9.0 GiB  one finding

        steps: k3s-service
          would restart k3s.service
          repair: step k3s-service of the installation is done again

        steps: k3s-service
          would restart k3s.service
          repair: step k3s-service of the installation is done again

        blobs: blob sha256:2b11…
          is missing; needed by edge-1.0: docker.io/x\u{1b}[2J
          repair: it comes again
        ");
    }

    #[test]
    fn json_has_the_same_as_fields() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["parts"][2]["bytes"], 9_663_676_416_u64);
        assert_eq!(json["parts"][1]["findings"][0]["what"], "k3s-service");
        assert!(json.get("damage").is_none());
    }
}
