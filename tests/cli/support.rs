//! Runs the binary in an environment that holds nothing but what a test puts there.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The binary under test.
pub const AIRLOCK: &str = env!("CARGO_BIN_EXE_airlock");

/// A home directory that is also the working directory, gone at the end of the test.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    /// A path below it.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs airlock with `arguments`, standard input being empty.
    pub fn airlock<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        let output = self.command(AIRLOCK).args(arguments).output().unwrap();
        self.outcome(&output)
    }

    /// Any program in the same environment, its output captured.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.0.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What `output` says, without what differs from run to run.
    pub fn outcome(&self, output: &Output) -> Outcome {
        let text = |bytes: &[u8]| {
            let text = String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
            mask(&text.replace(self.0.path().to_str().unwrap(), "[HOME]"))
        };
        Outcome { exit: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// Replaces keys and fingerprints.
fn mask(text: &str) -> String {
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || "+/=".contains(character);
    let mut masked = text.to_owned();
    for (start, name) in [("AAAAC3NzaC1lZDI1NTE5", "[KEY]"), ("SHA256:", "SHA256:[FINGERPRINT]")] {
        let mut parts = masked.split(start);
        let first = parts.next().unwrap_or_default().to_owned();
        masked = parts.fold(first, |done, part| done + name + part.trim_start_matches(is_base64));
    }
    masked
}

/// How a run ended.
pub struct Outcome {
    /// The exit status; `None` when a signal ended the process.
    pub exit: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit {
            Some(exit) => writeln!(formatter, "exit {exit}")?,
            None => writeln!(formatter, "killed by a signal")?,
        }
        write!(formatter, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}
