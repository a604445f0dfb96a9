//! Commands that only root may run.

use super::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::machine::Call;

/// Stops anybody else with the line that does it. `what` needs root: `making a machine a node`.
pub(super) fn require(what: &str, session: &Session) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let words = session.environment().arguments.iter().map(|word| word.to_string_lossy().into_owned());
    let line = Call::new("sudo").with(words);
    Err(Error::new(codes::NOT_ROOT, format!("{what} needs root")).with_help(format!("`{line}`")))
}
