//! `airlock bundle sign`: add a signature to a finished bundle.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::opened;
use super::signing_options::SigningOptions;
use super::trust_options::{Trust, TrustOptions};
use crate::bundle::names;
use crate::bundle::reader::{Bundle, Verified};
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::Result;
use crate::trust::Signer;
use crate::trust::policy::Unsigned;
use crate::trust::signature::{self, MANIFEST_NAMESPACE};
use crate::ui::text::escape;

/// Add a signature to a bundle that is finished, without rewriting its volumes
///
/// The signature becomes a file of its own beside the volumes. This is how a second person signs, and how
/// an unsigned bundle is signed later. Signatures that are there already must be of trusted keys. Look at
/// what you sign: `airlock bundle inspect` and `airlock bundle diff` show it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct SignArgs {
    /// The bundle: its directory or one of its volumes
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// Options of signing.
    #[command(flatten)]
    pub signing: SigningOptions,

    /// Options of trust.
    #[command(flatten)]
    pub trust: TrustOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle sign /media/stick
  airlock bundle sign /media/stick --key ~/.ssh/id_ed25519.pub";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    name: String,
    version: String,
    manifest: String,
    fingerprint: String,
    /// `None` when this key had signed before.
    signature_file: Option<String>,
}

pub(super) fn run(arguments: SignArgs, session: &Session) -> Result<()> {
    let key = arguments.signing.check(session.environment())?;
    // Whoever signs vouches for it; that nobody has before is no reason to refuse.
    let trust = Trust { unsigned: Unsigned::AllowLoudly, ..arguments.trust.check(session.environment()) };
    let bundle = opened::open(&arguments.path, &trust, session)?;
    bundle.check_lengths()?;
    let signer = key.signer(session)?;
    let fingerprint = signer.public_key().fingerprint();
    let has_signed = bundle.signers().iter().any(|known| known.fingerprint == fingerprint);
    let file = if has_signed { None } else { Some(add(&bundle, signer.as_ref(), &arguments.path)?) };
    let signed = Signed {
        name: bundle.manifest().name.clone(),
        version: bundle.manifest().version.clone(),
        manifest: bundle.digest().to_string(),
        fingerprint,
        signature_file: file.map(|path| path.to_string_lossy().into_owned()),
    };
    session.print(&signed, human)
}

/// Signs, and writes the signature beside the volumes.
fn add(bundle: &Bundle<Verified>, signer: &dyn Signer, path: &Path) -> Result<PathBuf> {
    let armored = signature::sign(signer, MANIFEST_NAMESPACE, bundle.manifest_bytes())?;
    let directory = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let file = directory.join(names::signature_file(&bundle.stem(), &signer.public_key().short_id()));
    let help =
        "this key has signed before; trust it with `--allowed-signers`, or remove the file to sign again";
    files::create(&file, armored.as_bytes(), 0o644, help)?;
    Ok(file)
}

fn human(signed: &Signed) -> String {
    let Signed { name, version, fingerprint, .. } = signed;
    match &signed.signature_file {
        Some(file) => format!("signed {name} {version} with {fingerprint}\nsignature  {}\n", escape(file)),
        None => format!("{name} {version} is signed with {fingerprint} already\n"),
    }
}
