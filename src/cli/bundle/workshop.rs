//! What the commands that look upstream share: spec and lock are read, the client is set up, and the lock
//! is written when it changed.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::apt_settings;
use super::fetch_options::Fetching;
use super::spec_options::SpecFiles;
use crate::build::installer;
use crate::build::resolve::{Resolved, Resolver, Update};
use crate::cli::environment::Environment;
use crate::cli::fetching;
use crate::cli::files;
use crate::cli::session::Session;
use crate::cli::values::InstallerFile;
use crate::error::{Error, Result, codes};
use crate::fetch::Client;
use crate::lock::{Lock, change, file};
use crate::oci::registry::Registry;
use crate::source::apt::Machine;
use crate::source::gather::{Gatherer, Limits};
use crate::spec::{self, Spec};
use crate::store::cache::Cache;

/// A spec, its lock, and the means to resolve it.
pub(super) struct Workshop {
    pub(super) spec: Spec,
    pub(super) resolver: Resolver,
    lock_path: PathBuf,
    old: Option<Lock>,
    now: String,
}

impl Workshop {
    /// Reads spec and lock and prepares for looking upstream.
    pub(super) fn open(files: &SpecFiles, fetching: &Fetching, session: &Session) -> Result<Workshop> {
        let directory = directory_of(&files.spec, session.environment())?;
        let spec = read_spec(&files.spec, &directory)?;
        let old = read_lock(&files.lock)?;
        let gatherer = gatherer(&spec, fetching, session)?;
        let now = jiff::Timestamp::now();
        let date = date(session.environment(), now)?;
        let resolver = Resolver {
            registry: Registry::new(gatherer.client().clone()),
            gatherer,
            directory,
            installers: choose_installers(&files.installers, &spec, session)?,
            machine: if spec.apt.is_empty() { Machine::default() } else { apt_settings::read()? },
            now,
            date,
            progress: session.shared_progress(),
        };
        Ok(Workshop { spec, resolver, lock_path: files.lock.clone(), old, now: date.to_string() })
    }

    /// Resolves the spec. The lock in the result has its final serial and date.
    pub(super) async fn resolve(&self, update: &Update) -> Result<Resolved> {
        let mut resolved = self.resolver.resolve(&self.spec, self.old.as_ref(), update).await?;
        resolved.lock = change::succeed(self.old.as_ref(), resolved.lock, &self.now);
        Ok(resolved)
    }

    /// Writes the lock if it differs from the one that was read, and tells what changed.
    pub(super) fn save(&self, lock: &Lock) -> Result<Vec<change::Change>> {
        if self.old.as_ref() != Some(lock) {
            files::replace(&self.lock_path, file::render(lock)?.as_bytes(), 0o644)?;
        }
        Ok(self.changes(lock))
    }

    /// How `lock` differs from the one that was read.
    pub(super) fn changes(&self, lock: &Lock) -> Vec<change::Change> {
        change::changes(self.old.as_ref(), lock)
    }

    /// Where the lock lies.
    pub(super) fn lock_path(&self) -> &Path {
        &self.lock_path
    }

    /// Whether the lock is the one that was read.
    pub(super) fn is_unchanged(&self, lock: &Lock) -> bool {
        self.old.as_ref() == Some(lock)
    }
}

/// The directory of a file, absolute, so that paths in the spec do not depend on where airlock runs.
fn directory_of(path: &Path, environment: &Environment) -> Result<PathBuf> {
    let working = environment.working_directory.clone().ok_or_else(|| {
        Error::new(codes::ENVIRONMENT, "the working directory does not exist any more")
            .with_help("change to a directory that exists: `cd`")
    })?;
    Ok(working.join(path).parent().map_or(working, Path::to_owned))
}

fn read_spec(path: &Path, directory: &Path) -> Result<Spec> {
    if fs_err::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(Error::new(codes::SPEC_READ, format!("`{}` does not exist", files::shown(path)))
            .with_help("manifests/examples of the airlock repository has specs to start from"));
    }
    let bytes = files::read(path, "spec", spec::MAX_BYTES as u64)?;
    spec::parse(&bytes, &files::shown(path), directory)
}

fn read_lock(path: &Path) -> Result<Option<Lock>> {
    if fs_err::symlink_metadata(path).is_err() {
        return Ok(None);
    }
    let text = files::read_text(path, "lock", file::SIZE_LIMIT)?;
    file::parse(&text, &files::shown(path)).map(Some)
}

fn gatherer(spec: &Spec, fetching: &Fetching, session: &Session) -> Result<Gatherer> {
    let settings = fetching::settings(spec.registries.clone(), session)?;
    let cache = Cache::open(&fetching.cache_directory)?;
    let limits = Limits { connections: fetching.connections, ..Limits::default() };
    Ok(Gatherer::new(Client::new(settings), cache, limits, session.shared_progress()))
}

fn choose_installers(
    given: &[InstallerFile],
    spec: &Spec,
    session: &Session,
) -> Result<Vec<crate::build::resolve::InstallerFile>> {
    let given: Vec<_> = given.iter().map(|file| (file.platform, file.path.clone())).collect();
    let own = std::env::current_exe().ok();
    let (chosen, dynamic) = installer::choose(&given, own.as_deref(), &spec.platforms)?;
    for path in dynamic {
        session.warn(&format!(
            "{} is not linked statically: it may not start on the nodes; release builds are (scripts/build-release)",
            files::shown(&path)
        ));
    }
    Ok(chosen)
}

/// The time for a changed lock and what is made with it, to the second.
fn date(environment: &Environment, now: jiff::Timestamp) -> Result<jiff::Timestamp> {
    let seconds = environment.source_date_epoch()?.unwrap_or_else(|| now.as_second());
    jiff::Timestamp::from_second(seconds).map_err(|error| {
        Error::new(codes::ENVIRONMENT, "the clock of this machine is out of range")
            .with_source(error)
            .with_help("set the clock, or give a time: `SOURCE_DATE_EPOCH=$(date +%s)`")
    })
}
