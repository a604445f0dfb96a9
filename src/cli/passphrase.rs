//! Passphrases: asked on a terminal or read from a file, never taken from the command line.

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::files;
use super::signals::Signal;
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// Longer lines are a mistake, such as naming the key instead of the passphrase file.
const LIMIT: u64 = 1024;

/// Asks for passphrases on the terminal.
#[derive(Default)]
pub(super) struct Prompt {
    /// The terminal's settings while a question is open: a signal may end the process in the middle.
    settings: Mutex<Option<Termios>>,
}

impl Prompt {
    /// Asks for the passphrase of an existing key.
    pub(super) fn passphrase(&self, key: &Path) -> Result<Secret<String>> {
        self.ask(&format!("Passphrase of {}: ", files::shown(key)))
    }

    /// Asks for a new passphrase, twice.
    pub(super) fn new_passphrase(&self) -> Result<Secret<String>> {
        let passphrase = self.ask("Passphrase of the new key: ")?;
        if passphrase.reveal().is_empty() {
            return Err(Error::new(codes::NEW_PASSPHRASE, "the passphrase is empty")
                .with_help("a key without passphrase is made by `--no-passphrase`"));
        }
        if self.ask("The same once more: ")? != passphrase {
            return Err(Error::new(codes::NEW_PASSPHRASE, "the two passphrases differ")
                .with_help("run the command again"));
        }
        Ok(passphrase)
    }

    /// Puts echo and line editing back as they were, if a question is open.
    pub(super) fn restore_terminal(&self) {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(settings), Ok(terminal)) = (settings, fs_err::File::open("/dev/tty")) {
            let _ = tcsetattr(&terminal, OptionalActions::Now, &settings);
        }
    }

    /// Asks for the password of sudo on hosts.
    pub(super) fn sudo_password(&self) -> Result<Secret<String>> {
        self.ask("Password of sudo on the hosts: ")
    }

    fn ask(&self, question: &str) -> Result<Secret<String>> {
        if !io::stdin().is_terminal() {
            return Err(Error::new(codes::NO_TERMINAL, "a passphrase is needed, and there is no terminal to ask")
                .with_help("put it into a file of mode 0600 and give `--passphrase-file FILE` (`-` reads it from standard input)"));
        }
        if let Ok(terminal) = fs_err::File::open("/dev/tty") {
            *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(&terminal).ok();
        }
        let answer = rpassword::prompt_password(question).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => Signal::Interrupt.error(),
            _ => Error::new(codes::NO_TERMINAL, "the passphrase could not be read from the terminal")
                .with_help("give `--passphrase-file FILE` instead")
                .with_source(error),
        });
        self.restore_terminal();
        answer.map(Secret::new)
    }
}

/// The first line of a file, or of standard input when `path` is `-`.
pub(super) fn from_file(path: &Path) -> Result<Secret<String>> {
    let bytes =
        if path == Path::new("-") { read_stdin() } else { files::read(path, "passphrase file", LIMIT) }?;
    // Wiped on drop, like everything that held the passphrase.
    let bytes = Secret::new(bytes);
    let line = bytes.reveal().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) if !text.is_empty() => Ok(Secret::new(text.to_owned())),
        _ => Err(Error::new(codes::NEW_PASSPHRASE, format!("`{}` holds no passphrase", files::shown(path)))
            .with_help("its first line must be the passphrase, in UTF-8")),
    }
}

fn read_stdin() -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(LIMIT as usize);
    let read = io::stdin().lock().take(LIMIT).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| {
        Error::new(codes::NEW_PASSPHRASE, "the passphrase could not be read from standard input")
            .with_help("give `--passphrase-file FILE` instead")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_passphrase() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        for (content, passphrase) in
            [("a b \n", Some("a b ")), ("a\r\nb", Some("a")), ("\n", None), ("", None)]
        {
            fs_err::write(&path, content).unwrap();
            let read = from_file(&path).ok().map(|secret| secret.reveal().clone());
            assert_eq!(read.as_deref(), passphrase, "{content:?}");
        }
    }
}
