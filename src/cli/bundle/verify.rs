//! `airlock bundle verify`: is this bundle what a trusted signer made?

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Serialize;

use super::opened::{self, SignerFound};
use super::trust_options::{Trust, TrustOptions};
use crate::bundle::check::Report;
use crate::bundle::reader::{Bundle, Verified};
use crate::cli::session::Session;
use crate::cli::values::whole_number;
use crate::error::Result;
use crate::progress::Stage;
use crate::trust::policy::Unsigned;
use crate::ui::human;
use crate::ui::text::escape;

/// Check a bundle: its signature, then every byte
///
/// The signature must be of a key in the list of allowed signers. Then every blob is compared with the
/// digest and length that were signed, on all cores. All damage is listed, not only the first. Needs no
/// root and writes nothing.
///
/// Exit status: 0 as signed, 4 damaged or a volume missing, 5 not signed by a trusted key, 6 older than
/// --minimum-serial, 11 could not be read.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct VerifyArgs {
    /// The bundle: its directory or one of its volumes; where volumes lie apart, all of them or their directories
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,

    /// Threads that compute digests, 1 to 256 [default: one per core]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole_number::<usize>(1..=256),
    )]
    pub threads: Option<usize>,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle verify /media/stick
  airlock bundle verify /media/a /media/b
  airlock bundle verify edge-1.0.tar --allowed-signers signers --signatures 2";

/// What the check found: the evidence.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Evidence {
    name: String,
    version: String,
    channel: String,
    serial: u64,
    manifest: String,
    intact: bool,
    signers: Vec<SignerFound>,
    signatures_required: usize,
    volumes: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

pub(super) fn run(arguments: VerifyArgs, session: &Session) -> Result<()> {
    let trust = arguments.trust.check(session.environment());
    let threads = arguments.threads.and_then(NonZeroUsize::new).unwrap_or_else(all_cores);
    let bundle = opened::open_all(&arguments.paths, &trust, session)?;
    let report = bundle.check_all(threads, Stage::Verify, session.progress())?;
    let evidence = Evidence::new(&bundle, &trust, report);
    session.print(&evidence, Evidence::human)?;
    evidence.report.into_result().map(drop)
}

fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Evidence {
    fn new(bundle: &Bundle<Verified>, trust: &Trust, report: Report) -> Self {
        let manifest = bundle.manifest();
        Evidence {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            channel: manifest.channel.clone(),
            serial: manifest.serial,
            manifest: bundle.digest().to_string(),
            intact: report.damage.is_empty(),
            signers: opened::signers(bundle),
            signatures_required: if trust.unsigned == Unsigned::Refuse { trust.signatures } else { 0 },
            volumes: bundle.volume_names().map(str::to_owned).collect(),
            report,
        }
    }

    /// Nothing when there is damage: the error lists that.
    fn human(&self) -> String {
        if !self.intact {
            return String::new();
        }
        let Evidence { name, version, channel, serial, .. } = self;
        let verdict =
            if self.signers.is_empty() { "is whole, but NOT SIGNED" } else { "is as it was signed" };
        let mut text = format!("{name} {version} {verdict} (serial {serial} of channel {channel})\n");
        for signer in &self.signers {
            text.push_str(&format!("signed by   {} {}\n", escape(&signer.name), signer.fingerprint));
        }
        if !self.signers.is_empty() {
            let (found, required) = (self.signers.len(), self.signatures_required);
            text.push_str(&format!("signatures  {found} of {required} required\n"));
        }
        let blobs = human::count(self.report.blobs as u64, "blob");
        let volumes = human::count(self.volumes.len() as u64, "volume");
        text.push_str(&format!("verified    {blobs}, {} in {volumes}\n", human::size(self.report.bytes)));
        text.push_str(&format!("manifest    {}\n", self.manifest));
        text
    }
}
