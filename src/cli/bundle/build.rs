//! `airlock bundle build`: from `bundle.yaml` to a signed bundle.

use std::path::PathBuf;

use super::fetch_options::{FetchOptions, Fetching};
use super::signing_options::{SigningKey, SigningOptions};
use crate::cli::environment::Environment;
use crate::cli::values::{InstallerFile, VolumeSize};
use crate::error::Result;

/// Build a bundle: fetch everything bundle.yaml names, pin it, sign it, write it
///
/// Tags, channels and URLs are resolved to digests and written to bundle.lock first; commit it, and the
/// same bundle can be built again, byte for byte. Blobs go through a cache, so a build that was cut off
/// continues where it stopped, and a second build with nothing new transfers nothing. Volumes are written
/// straight to DIR under temporary names, read back and compared; only then do they get their names.
///
/// DIR receives the volumes NAME-VERSION.tar or NAME-VERSION.K-of-N.tar, their checksums, the signature
/// of those, the installer and a README.txt with the commands that check everything without airlock.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct BuildArgs {
    /// What should be in the bundle
    #[arg(value_name = "SPEC", default_value = "bundle.yaml")]
    pub spec: PathBuf,

    /// Directory to write the bundle to: a stick, or any other place with room
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,

    /// The lock [default: SPEC with the ending `.lock`]
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Refuse to build anything that the lock does not pin
    #[arg(long)]
    pub locked: bool,

    /// Cut the bundle into volumes of at most SIZE bytes: `4GiB`, `700MB`, `none`, or `auto`
    ///
    /// `auto` cuts where the file system of DIR demands it (FAT32: below 4 GiB), `none` never.
    #[arg(long, value_name = "SIZE", default_value = "auto")]
    pub volume_size: VolumeSize,

    /// Do not read the written volumes back
    ///
    /// Saves the time of one read. A stick that loses data is then found by `bundle verify` at the earliest.
    #[arg(long)]
    pub no_check: bool,

    /// The `airlock` binary to put beside the volumes as `install`; may be given once per platform
    ///
    /// PLATFORM is linux/amd64 or linux/arm64 and is taken from the file when left out. Without this option
    /// the running binary is used where it fits.
    #[arg(long = "installer", value_name = "[PLATFORM=]FILE", value_parser = InstallerFile::parser())]
    pub installers: Vec<InstallerFile>,

    /// Build without a signature; every reader will have to allow that explicitly
    #[arg(long, conflicts_with_all = ["key", "passphrase_file"])]
    pub unsigned: bool,

    /// Options of signing.
    #[command(flatten)]
    pub signing: SigningOptions,

    /// Options of fetching.
    #[command(flatten)]
    pub fetching: FetchOptions,
}

const EXAMPLES: &str = "\
Examples:
  airlock bundle build -o /media/stick
  airlock bundle build site.yaml -o out --locked --volume-size 4GiB";

/// What to build, checked.
#[derive(Debug)]
pub struct Build {
    /// Path of the spec.
    pub spec: PathBuf,
    /// Path of the lock; need not exist unless `locked`.
    pub lock: PathBuf,
    /// Nothing may be missing in the lock.
    pub locked: bool,
    /// Directory to write to.
    pub output: PathBuf,
    /// How to cut volumes.
    pub volume_size: VolumeSize,
    /// Read back what was written.
    pub check: bool,
    /// Installers to put beside the volumes.
    pub installers: Vec<InstallerFile>,
    /// The key to sign with; `None` for an unsigned bundle.
    pub key: Option<SigningKey>,
    /// How to fetch.
    pub fetching: Fetching,
}

impl BuildArgs {
    /// Fills in defaults.
    pub fn check(self, environment: &Environment) -> Result<Build> {
        let key = if self.unsigned { None } else { Some(self.signing.check(environment)?) };
        Ok(Build {
            lock: self.lock.unwrap_or_else(|| self.spec.with_extension("lock")),
            spec: self.spec,
            locked: self.locked,
            output: self.output,
            volume_size: self.volume_size,
            check: !self.no_check,
            installers: self.installers,
            key,
            fetching: self.fetching.check(environment)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::error::codes;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        build: BuildArgs,
    }

    fn parse(words: &[&str]) -> Result<BuildArgs, String> {
        let line = Line::try_parse_from(["build", "-o", "out"].iter().chain(words));
        line.map(|line| line.build).map_err(|error| error.to_string())
    }

    fn home() -> Environment {
        let mut environment = Environment::default();
        environment.config_directory = Some("/home/ada/.config/airlock".into());
        environment.cache_directory = Some("/home/ada/.cache/airlock".into());
        environment
    }

    #[test]
    fn defaults_follow_the_spec_and_the_home() {
        let build = parse(&[]).unwrap().check(&home()).unwrap();
        assert_eq!(
            (build.spec.as_path(), build.lock.as_path()),
            (Path::new("bundle.yaml"), Path::new("bundle.lock"))
        );
        assert_eq!(build.key.unwrap().path, Path::new("/home/ada/.config/airlock/signing-key"));
        assert_eq!(build.fetching.cache_directory, Path::new("/home/ada/.cache/airlock"));
        assert_eq!(
            (build.volume_size, build.check, build.fetching.connections),
            (VolumeSize::Automatic, true, 8)
        );
        let other = parse(&["sites/lab.yaml", "--lock", "l", "--no-check"]).unwrap().check(&home()).unwrap();
        assert_eq!((other.lock.as_path(), other.check), (Path::new("l"), false));
    }

    #[test]
    fn values_outside_their_range_are_told_the_range() {
        for value in ["0", "-1", "65", "1e9"] {
            let error = parse(&["--connections", value]).unwrap_err();
            assert!(error.contains("a whole number from 1 to 64"), "{error}");
        }
        assert!(parse(&["--volume-size", "1KiB"]).unwrap_err().contains("at least 128KiB"));
        assert!(parse(&["--volume-size", "4GiB"]).is_ok());
    }

    #[test]
    fn contradictions_name_both_sides() {
        for other in ["--key", "--passphrase-file"] {
            let error = parse(&["--unsigned", other, "x"]).unwrap_err();
            assert!(error.contains("--unsigned") && error.contains(other), "{error}");
        }
    }

    #[test]
    fn without_a_home_the_missing_directory_must_be_named() {
        let nowhere = Environment::default();
        let no_key = parse(&["--cache-dir", "c"]).unwrap().check(&nowhere).unwrap_err();
        let no_cache = parse(&["--unsigned"]).unwrap().check(&nowhere).unwrap_err();
        for (error, option) in [(no_key, "--key"), (no_cache, "--cache-dir")] {
            assert_eq!(error.code(), codes::ENVIRONMENT);
            assert!(error.help().is_some_and(|help| help.contains(option)));
        }
        assert!(parse(&["--unsigned", "--cache-dir", "c"]).unwrap().check(&nowhere).is_ok());
    }
}
