//! `airlock key show`: the public side of a key, in the forms that others need.

use std::path::PathBuf;

use serde::Serialize;

use super::public;
use crate::cli::files;
use crate::cli::session::Session;
use crate::error::Result;

/// Key files are a few hundred bytes.
const KEY_LIMIT: u64 = 1 << 16;

/// Show the public key, the fingerprint and the allowed_signers line of a key
///
/// FILE is a private or a public key. No passphrase is needed: the public half of an OpenSSH key is not
/// encrypted.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ShowArgs {
    /// The key
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  airlock key show ~/.config/airlock/signing-key
  airlock key show id_ed25519.pub --json | jq -r .allowedSignersLine";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    public_key: String,
    fingerprint: String,
    allowed_signers_line: String,
}

pub(super) fn run(arguments: ShowArgs, session: &Session) -> Result<()> {
    let text = files::read_text(&arguments.file, "key", KEY_LIMIT)?;
    let key = public::parse(&text, &files::shown(&arguments.file))?;
    let shown = Shown {
        public_key: key.to_line(),
        fingerprint: key.fingerprint(),
        allowed_signers_line: public::allowed_line(&key),
    };
    session.print(&shown, |shown| {
        format!("{}\n{}\n{}\n", shown.public_key, shown.fingerprint, shown.allowed_signers_line)
    })
}
