//! `airlock bundle build`: from `bundle.yaml` to a signed bundle.

use std::path::PathBuf;

use serde::Serialize;

use super::fetch_options::FetchOptions;
use super::signing_options::SigningOptions;
use super::spec_options::SpecOptions;
use super::workshop::Workshop;
use crate::build::output::{self, Outcome, Target};
use crate::build::plan::Plan;
use crate::build::resolve::Update;
use crate::build::target::Kernel;
use crate::cli::files;
use crate::cli::session::Session;
use crate::cli::values::VolumeSize;
use crate::error::Result;
use crate::lock::change;
use crate::trust::Signer;
use crate::ui::human;

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
    /// The spec and what belongs to it.
    #[command(flatten)]
    pub files: SpecOptions,

    /// Directory to write the bundle to: a stick, or any other place with room
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,

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

/// The result, for people and for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    name: String,
    version: String,
    channel: String,
    serial: u64,
    volumes: Vec<String>,
    size: u64,
    artifacts: usize,
    blobs: usize,
    signer: Option<String>,
    unchanged: bool,
    checked: bool,
    transferred_blobs: u64,
    cached_blobs: u64,
}

pub(super) async fn run(arguments: BuildArgs, session: &Session) -> Result<()> {
    let key = if arguments.unsigned { None } else { Some(arguments.signing.check(session.environment())?) };
    let fetching = arguments.fetching.check(session.environment())?;
    let workshop = Workshop::open(&arguments.files.check(), &fetching, session)?;
    let signer = match key {
        Some(key) => Some(session.blocking(move |session| key.signer(session)).await?),
        None => None,
    };
    if signer.is_none() {
        session.warn(
            "the bundle will not be signed: nobody can tell who made it, and every reader must allow that",
        );
    }
    let update = if arguments.locked { Update::Nothing } else { Update::Missing };
    let resolved = workshop.resolve(&update).await?;
    for line in change::lines(&workshop.save(&resolved.lock)?) {
        session.note(&format!("bundle.lock: {line}"));
    }
    let plan = Plan::new(&resolved.lock, &resolved)?;
    let mut built = Built::new(&plan, !arguments.no_check);
    let target = Target {
        directory: arguments.output,
        volume_size: arguments.volume_size.into(),
        check: !arguments.no_check,
        probe: &Kernel,
    };
    let signer = signer.as_deref().map(|signer| signer as &dyn Signer);
    let outcome =
        output::build(plan, &workshop.resolver.gatherer, &target, signer, session.shared_progress()).await?;
    built.complete(outcome);
    session.print(&built, Built::human)
}

impl Built {
    fn new(plan: &Plan, checked: bool) -> Self {
        let manifest = &plan.manifest;
        Built {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            channel: manifest.channel.clone(),
            serial: manifest.serial,
            volumes: Vec::new(),
            size: 0,
            artifacts: manifest.artifacts.len(),
            blobs: manifest.blobs.len(),
            signer: None,
            unchanged: false,
            checked,
            transferred_blobs: 0,
            cached_blobs: 0,
        }
    }

    fn complete(&mut self, outcome: Outcome) {
        self.volumes = outcome.volumes.iter().map(|volume| files::shown(volume)).collect();
        self.size = outcome.size;
        self.signer = outcome.signer;
        self.unchanged = outcome.unchanged;
        self.transferred_blobs = outcome.cost.transferred;
        self.cached_blobs = outcome.cost.cached;
    }

    fn human(&self) -> String {
        let Built { name, version, channel, serial, .. } = self;
        let verb = match (self.unchanged, self.checked) {
            (true, _) => "is there already and undamaged",
            (false, true) => "is written and was read back",
            (false, false) => "is written, but was not read back",
        };
        let mut text = format!("{name} {version} {verb} (serial {serial} of channel {channel})\n");
        for volume in &self.volumes {
            text.push_str(&format!("volume    {volume}\n"));
        }
        let (artifacts, blobs) =
            (human::count(self.artifacts as u64, "artifact"), human::count(self.blobs as u64, "blob"));
        text.push_str(&format!("content   {artifacts}, {blobs}, {}\n", human::size(self.size)));
        if !self.unchanged {
            let (transferred, cached) = (human::count(self.transferred_blobs, "blob"), self.cached_blobs);
            text.push_str(&format!("fetched   {transferred}, {cached} were in the cache\n"));
        }
        match &self.signer {
            Some(signer) => text.push_str(&format!("signed by {signer}\n")),
            None => text.push_str("NOT SIGNED\n"),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::cli::environment::Environment;
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
        let build = parse(&[]).unwrap();
        let files = build.files.check();
        assert_eq!(
            (files.spec.as_path(), files.lock.as_path()),
            (Path::new("bundle.yaml"), Path::new("bundle.lock"))
        );
        let key = build.signing.check(&home()).unwrap();
        assert_eq!(key.path, Path::new("/home/ada/.config/airlock/signing-key"));
        let fetching = build.fetching.check(&home()).unwrap();
        assert_eq!(fetching.cache_directory, Path::new("/home/ada/.cache/airlock"));
        assert_eq!(
            (build.volume_size, build.no_check, fetching.connections),
            (VolumeSize::Automatic, false, 8)
        );
        let other = parse(&["sites/lab.yaml", "--lock", "l"]).unwrap().files.check();
        assert_eq!(other.lock, Path::new("l"));
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
        let no_key = parse(&[]).unwrap().signing.check(&nowhere).unwrap_err();
        let no_cache = parse(&[]).unwrap().fetching.check(&nowhere).unwrap_err();
        for (error, option) in [(no_key, "--key"), (no_cache, "--cache-dir")] {
            assert_eq!(error.code(), codes::ENVIRONMENT);
            assert!(error.help().is_some_and(|help| help.contains(option)));
        }
        assert!(parse(&["--cache-dir", "c"]).unwrap().fetching.check(&nowhere).is_ok());
    }
}
