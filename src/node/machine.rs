//! The machine that is changed: its files, and the programs that are run on it.

mod call;
mod failure;
mod programs;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use self::call::{Call, Finished};
pub(super) use self::failure::{failed, is_missing};
pub(super) use self::programs::ENVIRONMENT;
pub use self::programs::{Programs, SystemPrograms};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;
use crate::store::cache::hash_file;

/// Largest file that is read as a whole to be compared.
const MAX_LENGTH: u64 = 16 * 1024 * 1024;

/// A machine. Clones are the same.
#[derive(Clone)]
pub struct Machine {
    root: Arc<Path>,
    programs: Arc<dyn Programs>,
}

impl Machine {
    /// The machine that we run on.
    pub fn this() -> Machine {
        Machine::new(Path::new("/"), Arc::new(SystemPrograms))
    }

    /// A machine whose files lie below `root` and whose programs are run by `programs`.
    pub fn new(root: &Path, programs: Arc<dyn Programs>) -> Machine {
        Machine { root: root.into(), programs }
    }

    /// Where the absolute path `path` of the machine really is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The content of a file, nothing if there is none.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`] if it cannot be read or is larger than 16 MiB.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        use std::io::Read as _;
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            let file = fs_err::File::open(self.path(path))?;
            file.take(MAX_LENGTH + 1).read_to_end(&mut bytes)?;
            match bytes.len() as u64 <= MAX_LENGTH {
                true => Ok(bytes),
                false => Err(io::Error::other("it is larger than 16 MiB")),
            }
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("read", path, error)),
        }
    }

    /// The same as text; what is no UTF-8 is replaced.
    ///
    /// # Errors
    /// As for [`Machine::read`].
    pub fn read_text(&self, path: &str) -> Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// SHA-256 of a file of any length.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn digest(&self, path: &str) -> Result<Digest> {
        let read = || hash_file(&self.path(path)).map(|(digest, _)| digest);
        read().map_err(|error| failed("read", path, error))
    }

    /// What is at `path` itself, without following links; nothing if there is nothing.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn metadata(&self, path: &str) -> Result<Option<std::fs::Metadata>> {
        match fs_err::symlink_metadata(self.path(path)) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("read", path, error)),
        }
    }

    /// The names in a directory, sorted; none if it is not there. A name that is not UTF-8 is passed over: nothing that
    /// is looked for has one.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`].
    pub fn names(&self, path: &str) -> Result<Vec<String>> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs_err::read_dir(self.path(path))? {
                names.extend(entry?.file_name().into_string());
            }
            names.sort_unstable();
            Ok(names)
        };
        match read() {
            Err(error) if is_missing(&error) => Ok(Vec::new()),
            names => names.map_err(|error| failed("read", path, error)),
        }
    }

    /// Runs a program to its end. A status other than 0 is for the caller to judge.
    ///
    /// # Errors
    /// [`codes::NODE_PROGRAM_MISSING`] if there is no such program, [`codes::NODE_PROGRAM`] if it could not be
    /// run, [`codes::NODE_DEADLINE`] if it did not end in time.
    pub fn run(&self, call: &Call) -> Result<Finished> {
        self.programs.run(call).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(
                codes::NODE_PROGRAM_MISSING,
                format!("`{}` is not installed on this machine", quote(call.program())),
            )
            .with_help(format!("install the package that has `{}`", call.program())),
            io::ErrorKind::TimedOut => Error::new(
                codes::NODE_DEADLINE,
                format!("`{}` did not end within {} s", quote(&call.to_string()), call.deadline().as_secs()),
            )
            .with_help("see what it waits for, then run the same command again"),
            _ => Error::new(codes::NODE_PROGRAM, format!("`{}` could not be run", quote(&call.to_string())))
                .with_help(
                    "see what keeps it: run it by hand, and look at `dmesg`; then run the same command again",
                )
                .with_source(error),
        })
    }

    /// The same, where every status other than 0 is an error.
    ///
    /// # Errors
    /// As for [`Machine::run`]; [`codes::NODE_PROGRAM`] with the last lines that it wrote.
    pub fn run_well(&self, call: &Call) -> Result<Finished> {
        let finished = self.run(call)?;
        match finished.status {
            Some(0) => Ok(finished),
            _ => Err(finished.into_error(call)),
        }
    }
}
