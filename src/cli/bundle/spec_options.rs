//! Options of the commands that work from a spec.

use std::path::PathBuf;

use crate::cli::values::InstallerFile;

/// The spec and what belongs to it, as typed.
#[derive(Clone, Debug, clap::Args)]
pub struct SpecOptions {
    /// What should be in the bundle
    #[arg(value_name = "SPEC", default_value = "bundle.yaml")]
    pub spec: PathBuf,

    /// The lock [default: SPEC with the ending `.lock`]
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// The `airlock` program that travels along as `install`; may be given once per platform
    ///
    /// PLATFORM is linux/amd64 or linux/arm64 and is taken from the file when left out. Without this option
    /// the running program is used where it fits.
    #[arg(long = "installer", value_name = "[PLATFORM=]FILE", value_parser = InstallerFile::parser())]
    pub installers: Vec<InstallerFile>,
}

/// The spec and what belongs to it, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecFiles {
    /// Path of the spec.
    pub spec: PathBuf,
    /// Path of the lock; need not exist.
    pub lock: PathBuf,
    /// Programs that travel along.
    pub installers: Vec<InstallerFile>,
}

impl SpecOptions {
    /// Fills in the default lock.
    pub fn check(self) -> SpecFiles {
        SpecFiles {
            lock: self.lock.unwrap_or_else(|| self.spec.with_extension("lock")),
            spec: self.spec,
            installers: self.installers,
        }
    }
}
