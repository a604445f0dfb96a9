//! Questions, and the options that answer them beforehand. Without a terminal nothing is asked.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::report::Planned;
use crate::error::{Error, Result, codes};
use crate::node::plan::Plan;
use crate::node::trust::signers::TYPED;
use crate::trust::key::PublicKey;

/// Options of first trust, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Trust")]
pub struct ConsentOptions {
    /// Trust the signer with this fingerprint from now on; exactly that one, and it is recorded
    ///
    /// Ask the person who made the bundle for it, do not take it from the medium. On the first run in a
    /// terminal it can be typed as well.
    #[arg(long, value_name = "SHA256:…")]
    pub trust: Option<String>,

    /// Go back to the older bundle with exactly this serial
    #[arg(long, value_name = "SERIAL")]
    pub allow_downgrade: Option<u64>,
}

/// What the operator types to trust one of these keys; nothing where nobody can be asked.
pub(super) fn to_signer(keys: &[PublicKey]) -> Result<Option<String>> {
    if keys.is_empty() || !has_terminal() {
        return Ok(None);
    }
    let mut text = "This node does not know yet whom to believe. The bundle is signed by\n".to_owned();
    for key in keys {
        text += &format!("  {}\n", key.fingerprint());
    }
    text += &format!(
        "Compare that with what the person told you who made the bundle, character by character.\n\
         To trust that key from now on, type its last {TYPED} characters: "
    );
    ask(&text).map(Some)
}

/// Whether the plan may be carried out; without a terminal it may.
pub(in crate::cli) fn to_changes(plan: &Plan) -> Result<bool> {
    if !has_terminal() {
        return Ok(true);
    }
    let answer = ask(&format!("{}Go on? [y/N] ", Planned(plan)))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Whether somebody can be asked.
pub(in crate::cli) fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks on the terminal; the line that was typed, without space around it.
pub(in crate::cli) fn ask(question: &str) -> Result<String> {
    let ask = || -> io::Result<String> {
        let mut terminal = io::stderr().lock();
        terminal.write_all(question.as_bytes())?;
        terminal.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim().to_owned())
    };
    ask().map_err(|error| {
        Error::new(codes::NO_TERMINAL, "the question could not be asked on the terminal")
            .with_help("answer it by options: `--trust SHA256:…`, `--yes`")
            .with_source(error)
    })
}
