//! From spec and lock to a lock that covers the spec, with every blob's origin known.
//!
//! What the lock pins is taken as pinned; what it lacks is looked up, unless the caller forbids that.

mod choice;
mod transport;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use self::choice::Choice;
pub use self::choice::Update;
use crate::error::{Error, Result, codes};
use crate::lock::{self, Lock};
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::oci::registry::Registry;
use crate::progress::{Event, Progress, Stage};
use crate::source::gather::Gatherer;
use crate::source::shelf::{Blob, Origin, Shelf};
use crate::source::{apt, file, image, k3s, nvidia};
use crate::spec::apt::Target;
use crate::spec::{FileEntry, FileSource, Image, ImageSource, Spec};
use crate::store::cache::hash_file;

/// Images that are looked up at the same time.
const AT_ONCE: usize = 8;

/// Who asked for an image, as written in the lock.
pub(super) const BY_SPEC: &str = "bundle.yaml";
const BY_K3S: &str = "k3s-images.txt";

/// An airlock program to travel along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallerFile {
    /// What it runs on.
    pub platform: Platform,
    /// Where it lies.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
}

/// What resolving works with.
pub struct Resolver {
    /// Fetches documents and unpinned files.
    pub gatherer: Gatherer,
    /// Talks to registries.
    pub registry: Registry,
    /// Directory of the spec, for relative paths.
    pub directory: PathBuf,
    /// The programs that travel along, one per platform.
    pub installers: Vec<InstallerFile>,
    /// What this machine's own apt is configured with.
    pub machine: apt::Machine,
    /// The time by this machine's clock, by which signatures of repositories are judged.
    pub now: Timestamp,
    /// The time that is written into what is made.
    pub date: Timestamp,
    /// Hears about what is looked up.
    pub progress: Arc<dyn Progress>,
}

/// A lock that covers the spec, and where every byte of it is.
#[derive(Debug)]
pub struct Resolved {
    /// The new lock; serial and date are still those of the old one.
    pub lock: Lock,
    /// The airlock programs.
    pub installers: Vec<Blob>,
    /// The k3s programs, in the order of the lock.
    pub k3s: Vec<Blob>,
    /// The images, those of k3s first.
    pub images: Vec<image::Opened>,
    /// The files.
    pub files: Vec<file::Opened>,
    /// The packages, for each kind of node.
    pub apt: Vec<apt::Opened>,
}

impl Resolver {
    /// Resolves `spec`, keeping what `old` pins as far as `update` says.
    pub async fn resolve(&self, spec: &Spec, old: Option<&Lock>, update: &Update) -> Result<Resolved> {
        self.progress.event(Event::Started { stage: Stage::Resolve, bytes: None });
        let spec = &with_files_of_nvidia(spec);
        let choice = Choice { old, update };
        let (installers, installer_blobs) = self.installers(&choice)?;
        let k3s = self.k3s(spec, &choice).await?;
        let (images, requests) = self.images(spec, k3s.as_ref(), &choice).await?;
        choice.check_names(spec, &requests)?;
        let files = self.files(spec, &choice).await?;
        let apt = self.apt(spec, &choice).await?;
        let mut lock = Lock {
            lock_version: lock::VERSION,
            serial: old.map_or(0, |old| old.serial),
            created: old.map_or_else(String::new, |old| old.created.clone()),
            name: spec.name.clone(),
            version: spec.version.clone(),
            channel: spec.channel.clone(),
            platforms: spec.platforms.clone(),
            hosts: spec.hosts.clone(),
            installers,
            images: images.iter().map(|opened| opened.locked.clone()).collect(),
            files: files.iter().map(|opened| opened.locked.clone()).collect(),
            apt: apt.iter().map(|opened| opened.locked.clone()).collect(),
            k3s,
        };
        lock.sort();
        choice.check_complete(&lock)?;
        self.progress.event(Event::Finished { stage: Stage::Resolve });
        Ok(Resolved { k3s: k3s_blobs(&lock)?, lock, installers: installer_blobs, images, files, apt })
    }

    fn installers(&self, choice: &Choice<'_>) -> Result<(Vec<lock::Installer>, Vec<Blob>)> {
        let mut locked = Vec::new();
        let mut blobs = Vec::new();
        for installer in &self.installers {
            let (digest, size) = hash_file(&installer.path).map_err(|error| {
                Error::new(
                    codes::INSTALLER,
                    format!("the airlock program {} cannot be read", installer.path.display()),
                )
                .with_source(error)
                .with_help(format!("name one that can: `--installer {}=FILE`", installer.platform))
            })?;
            let (platform, version) = (installer.platform, installer.version.clone());
            locked.push(lock::Installer { platform, version, digest, size });
            blobs.push(Blob { digest, size, origin: Origin::File(installer.path.clone()) });
        }
        if *choice.update == Update::Nothing && choice.old.is_some_and(|old| old.installers != locked) {
            return Err(Error::new(
                codes::LOCK_MOVED,
                "bundle.lock pins another airlock program than this one",
            )
            .with_help(
                "run `airlock bundle lock --update airlock`, or build with the airlock that wrote the lock",
            ));
        }
        Ok((locked, blobs))
    }

    async fn k3s(&self, spec: &Spec, choice: &Choice<'_>) -> Result<Option<lock::K3s>> {
        let Some(wanted) = &spec.k3s else { return Ok(None) };
        let pinned = choice.old.and_then(|old| old.k3s.as_ref());
        let pinned = pinned.filter(|pinned| k3s::is_current(pinned, wanted, &spec.platforms));
        if let Some(pinned) = pinned.filter(|_| !choice.wants("k3s")) {
            return Ok(Some(pinned.clone()));
        }
        choice.may_look_up("k3s")?;
        self.item("k3s");
        let transport = transport::of_url(&spec.registries, &wanted.base_url);
        k3s::resolve(&self.gatherer, wanted, &spec.platforms, &transport).await.map(Some)
    }

    async fn images(
        &self,
        spec: &Spec,
        k3s: Option<&lock::K3s>,
        choice: &Choice<'_>,
    ) -> Result<(Vec<image::Opened>, Vec<(Image, &'static str)>)> {
        let mut requests: Vec<(Image, &'static str)> = Vec::new();
        if let Some(k3s) = k3s {
            let mut seen = HashSet::new();
            for reference in k3s::images(&self.gatherer, k3s).await? {
                let in_spec = spec.images.iter().any(|image| image.reference == reference);
                if !in_spec && seen.insert(reference.to_string()) {
                    requests.push((k3s_image(reference, spec), BY_K3S));
                }
            }
        }
        requests.extend(spec.images.iter().map(|image| (image.clone(), BY_SPEC)));
        let of_nvidia = spec.nvidia.iter().flat_map(|section| nvidia::images(section, &spec.platforms));
        requests.extend(of_nvidia.map(|image| (image, nvidia::WANTED_BY)));
        let opened = stream::iter(&requests)
            .map(|(image, wanted_by)| self.image(image, wanted_by, spec, choice))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok((opened, requests))
    }

    async fn image(
        &self,
        wanted: &Image,
        by: &str,
        spec: &Spec,
        choice: &Choice<'_>,
    ) -> Result<image::Opened> {
        let name = wanted.reference.to_string();
        let locate = |error: Error| {
            let place = match by {
                BY_K3S => "k3s-images.txt: ".to_owned(),
                _ => format!("line {} of bundle.yaml: ", wanted.line),
            };
            error.with_detail(format!("{place}image {name}"))
        };
        let shelf = Shelf::new(&self.gatherer, &self.registry, &self.directory, wanted);
        let pinned =
            choice.old.and_then(|old| old.images.iter().find(|locked| image::is_current(locked, wanted, by)));
        if let Some(pinned) = pinned.filter(|_| !choice.wants(&name)) {
            return image::open(&shelf, wanted, pinned).await.map_err(locate);
        }
        choice.may_look_up(&name)?;
        self.item(&name);
        let transport = transport::of_host(&spec.registries, wanted.reference.host());
        image::resolve(&shelf, wanted, by, &transport).await.map_err(locate)
    }

    async fn files(&self, spec: &Spec, choice: &Choice<'_>) -> Result<Vec<file::Opened>> {
        let mut files = Vec::new();
        for entry in &spec.files {
            let opened = self.file(entry, spec, choice).await.map_err(|error| {
                error.with_detail(format!("line {} of bundle.yaml: file {}", entry.line, entry.path))
            })?;
            files.extend(opened.into_iter().map(|opened| (entry.line, opened)));
        }
        check_paths(&files)?;
        Ok(files.into_iter().map(|(_, opened)| opened).collect())
    }

    async fn file(&self, entry: &FileEntry, spec: &Spec, choice: &Choice<'_>) -> Result<Vec<file::Opened>> {
        let old = choice.old.filter(|_| !choice.wants(&entry.path));
        if let Some(old) = old
            && let Some(opened) = file::open(&self.gatherer, entry, &self.directory, &old.files).await?
        {
            return Ok(opened);
        }
        choice.may_look_up(&entry.path)?;
        self.item(&entry.path);
        let transport = match &entry.source {
            FileSource::Url(url) => transport::of_url(&spec.registries, url),
            FileSource::Path(_) | FileSource::Generated { .. } => String::new(),
        };
        file::resolve(&self.gatherer, entry, &self.directory, &transport).await
    }

    /// One target after the other: their indices are large, and most of what they fetch is the same.
    async fn apt(&self, spec: &Spec, choice: &Choice<'_>) -> Result<Vec<apt::Opened>> {
        let mut all = Vec::new();
        for target in &spec.apt {
            let opened = self.target(target, spec, choice).await;
            all.push(opened.map_err(|error| {
                error.with_detail(format!("while resolving packages for {}", target.name))
            })?);
        }
        Ok(all)
    }

    async fn target(&self, target: &Target, spec: &Spec, choice: &Choice<'_>) -> Result<apt::Opened> {
        let bench = self.bench();
        let nvidia = spec.nvidia.as_ref().filter(|nvidia| nvidia.targets.contains(&target.name));
        let old = choice.old.and_then(|old| old.apt.iter().find(|locked| locked.name == target.name));
        if let Some(locked) = old.filter(|_| !choice.wants(&target.name))
            && let Some(opened) = apt::open(&bench, target, nvidia, locked)?
        {
            return Ok(opened);
        }
        choice.may_look_up(&target.name)?;
        apt::resolve(&bench, target, nvidia, old).await
    }

    /// What targets of packages are resolved with.
    pub fn bench(&self) -> apt::Bench<'_> {
        apt::Bench {
            gatherer: &self.gatherer,
            machine: &self.machine,
            directory: &self.directory,
            now: self.now,
            date: self.date,
            progress: self.progress.as_ref(),
        }
    }

    fn item(&self, name: &str) {
        self.progress.event(Event::ItemStarted { stage: Stage::Resolve, name });
        self.progress.event(Event::ItemFinished { stage: Stage::Resolve, name });
    }
}

/// The spec with the files that its section `nvidia` brings.
fn with_files_of_nvidia(spec: &Spec) -> Spec {
    let mut spec = spec.clone();
    let files = spec.nvidia.iter().flat_map(|section| nvidia::files(section, &spec.apt));
    spec.files.extend(files.collect::<Vec<_>>());
    spec
}

/// Two patterns may share a directory on the node, but not a file in it. `files` come with their lines.
fn check_paths(files: &[(usize, file::Opened)]) -> Result<()> {
    let mut seen = BTreeMap::new();
    for (line, opened) in files {
        let lock::File { path, origin, .. } = &opened.locked;
        if let Some((first_line, first)) = seen.insert(path, (line, origin)) {
            let message = format!("two files would land on {path}: `{first}` and `{origin}`");
            return Err(Error::new(codes::SOURCE_GLOB, message).with_help(format!(
                "lines {first_line} and {line} of bundle.yaml: give one of them another `to`, or a narrower pattern"
            )));
        }
    }
    Ok(())
}

fn k3s_image(reference: Reference, spec: &Spec) -> Image {
    Image {
        reference,
        source: ImageSource::Registry,
        platforms: spec.platforms.clone(),
        referrers: false,
        line: 0,
    }
}

fn k3s_blobs(lock: &Lock) -> Result<Vec<Blob>> {
    let binaries = lock.k3s.iter().flat_map(|k3s| &k3s.binaries);
    binaries
        .map(|binary| {
            let location = crate::fetch::Location::url(&binary.url)?;
            Ok(Blob { digest: binary.digest, size: binary.size, origin: Origin::Remote(location) })
        })
        .collect()
}
