//! `airlock node verify`: is this node still what its bundle and its settings say?

use crate::cli::bundle::trust_options::TrustOptions;
use crate::cli::install::{again, require_root};
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
    require_root("checking a node", session)?;
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
