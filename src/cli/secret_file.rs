//! Files with secrets: whoever could read one has everything that it opens.

use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::cli::files;
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// Refuses a file that others than its owner can read. `renewal` says how the secret is replaced.
///
/// # Errors
/// [`codes::SECRET_OPEN`].
pub(in crate::cli) fn require_closed(path: &Path, renewal: &str) -> Result<()> {
    // One that cannot be looked at cannot be read either, and that is told there.
    let Ok(found) = fs_err::metadata(path) else { return Ok(()) };
    if !found.is_file() || found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let name = files::shown(path);
    let message = format!("others than its owner can read `{name}`, mode {:04o}", found.mode() & 0o7777);
    Err(Error::new(codes::SECRET_OPEN, message)
        .with_help(format!("`chmod 600 {name}`; if somebody may have read it, {renewal}")))
}

/// A secret of at most `limit` bytes from standard input; it was in no file and in no argument. `what` it is:
/// `token of the cluster`.
///
/// # Errors
/// [`codes::FILE_READ`].
pub(super) fn from_input(what: &str, limit: u64) -> Result<Secret<String>> {
    let refused = || {
        Error::new(codes::FILE_READ, format!("the {what} could not be read from standard input"))
            .with_help("give it there, `… < FILE`, or name the file")
    };
    // All of it at once: what grows leaves copies of itself behind.
    let mut text = Secret::new(String::with_capacity(limit as usize + 1));
    let mut limited = io::stdin().lock().take(limit + 1);
    let read =
        text.with_mut(|text| limited.read_to_string(text)).map_err(|error| refused().with_source(error))?;
    if read as u64 > limit { Err(refused()) } else { Ok(text) }
}

/// Gives the program that is started in our place the same secret on its standard input, where we have read it.
pub(super) fn to_input(secret: &Secret<String>) -> io::Result<()> {
    // It fits into the pipe: nobody has to read yet.
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(secret.reveal().as_bytes())?;
    Ok(rustix::stdio::dup2_stdin(&reader)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, is_open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o644, true)] {
            fs_err::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let refused = require_closed(file.path(), "change it").err();
            assert_eq!(refused.map(|error| error.code()), is_open.then_some(codes::SECRET_OPEN), "{mode:o}");
        }
        require_closed(Path::new("/nowhere"), "").unwrap();
        require_closed(Path::new("/dev/null"), "").unwrap();
    }
}
