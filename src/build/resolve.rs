//! From spec and lock to a lock that covers the spec, with every blob's origin known.
//!
//! What the lock pins is taken as pinned; what it lacks is looked up, unless the caller forbids that.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, Result, codes};
use crate::lock::{self, Lock};
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::oci::registry::Registry;
use crate::progress::{Event, Progress, Stage};
use crate::source::gather::Gatherer;
use crate::source::shelf::{Blob, Origin, Shelf};
use crate::source::{file, image, k3s};
use crate::spec::{FileEntry, FileSource, HostSettings, Image, ImageSource, Spec, suggest};
use crate::store::cache::hash_file;

/// Images that are looked up at the same time.
const AT_ONCE: usize = 8;

/// Who asked for an image, as written in the lock.
const BY_SPEC: &str = "bundle.yaml";
const BY_K3S: &str = "k3s-images.txt";

/// Which lock entries are looked up anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// None, and what is missing is an error.
    Nothing,
    /// Those that the lock lacks or that do not answer the spec any more.
    Missing,
    /// Those and the named ones.
    Named(Vec<String>),
    /// All.
    Everything,
}

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
}

impl Resolver {
    /// Resolves `spec`, keeping what `old` pins as far as `update` says.
    pub async fn resolve(&self, spec: &Spec, old: Option<&Lock>, update: &Update) -> Result<Resolved> {
        self.progress.event(Event::Started { stage: Stage::Resolve, bytes: None });
        let choice = Choice { old, update };
        let (installers, installer_blobs) = self.installers(&choice)?;
        let k3s = self.k3s(spec, &choice).await?;
        let (images, requests) = self.images(spec, k3s.as_ref(), &choice).await?;
        choice.check_names(spec, &requests)?;
        let files = self.files(spec, &choice).await?;
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
            k3s,
        };
        lock.sort();
        choice.check_complete(&lock)?;
        self.progress.event(Event::Finished { stage: Stage::Resolve });
        Ok(Resolved { k3s: k3s_blobs(&lock)?, lock, installers: installer_blobs, images, files })
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
        let transport = transport_of_url(&spec.registries, &wanted.base_url);
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
            let mut seen = std::collections::HashSet::new();
            for reference in k3s::images(&self.gatherer, k3s).await? {
                let in_spec = spec.images.iter().any(|image| image.reference == reference);
                if !in_spec && seen.insert(reference.to_string()) {
                    requests.push((k3s_image(reference, spec), BY_K3S));
                }
            }
        }
        requests.extend(spec.images.iter().map(|image| (image.clone(), BY_SPEC)));
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
            let place = if by == BY_SPEC {
                format!("line {} of bundle.yaml: ", wanted.line)
            } else {
                "k3s-images.txt: ".to_owned()
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
        let transport = transport(&spec.registries, wanted.reference.host());
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
            && let Some(opened) = file::open(entry, &self.directory, &old.files).await?
        {
            return Ok(opened);
        }
        choice.may_look_up(&entry.path)?;
        self.item(&entry.path);
        let transport = match &entry.source {
            FileSource::Url(url) => transport_of_url(&spec.registries, url),
            FileSource::Path(_) => String::new(),
        };
        file::resolve(&self.gatherer, entry, &self.directory, &transport).await
    }

    fn item(&self, name: &str) {
        self.progress.event(Event::ItemStarted { stage: Stage::Resolve, name });
        self.progress.event(Event::ItemFinished { stage: Stage::Resolve, name });
    }
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

/// Which entries may keep their pins and which must be looked up.
struct Choice<'a> {
    old: Option<&'a Lock>,
    update: &'a Update,
}

impl Choice<'_> {
    /// Whether the user asked to move this entry.
    fn wants(&self, name: &str) -> bool {
        match self.update {
            Update::Nothing | Update::Missing => false,
            Update::Named(names) => names.iter().any(|wanted| same_name(wanted, name)),
            Update::Everything => true,
        }
    }

    fn may_look_up(&self, name: &str) -> Result<()> {
        if *self.update != Update::Nothing {
            return Ok(());
        }
        let help = "run `airlock bundle lock`, review the change of bundle.lock, and build again";
        Err(match self.old {
            None => {
                Error::new(codes::LOCK_MISSING, "there is no bundle.lock, and --locked forbids to make one")
                    .with_help(help)
            }
            Some(_) => Error::new(
                codes::LOCK_OUTDATED,
                format!("bundle.lock does not cover `{name}` as bundle.yaml asks for it"),
            )
            .with_help(help),
        })
    }

    /// With `--locked`, the lock must be exactly what the spec gives: nothing dropped, nothing renamed.
    fn check_complete(&self, new: &Lock) -> Result<()> {
        match (self.update, self.old) {
            (Update::Nothing, Some(old)) if old != new => {
                let mut error =
                    Error::new(codes::LOCK_OUTDATED, "bundle.lock is not what bundle.yaml asks for")
                        .with_help(
                            "run `airlock bundle lock`, review the change of bundle.lock, and build again",
                        );
                for change in lock::change::changes(Some(old), new) {
                    error = error.with_detail(change.to_string());
                }
                Err(error)
            }
            (Update::Nothing, None) => self.may_look_up("anything"),
            _ => Ok(()),
        }
    }

    /// Every name given to `--update` must mean something. A pattern for files is known by its directory and
    /// by everything in it.
    fn check_names(&self, spec: &Spec, images: &[(Image, &str)]) -> Result<()> {
        let Update::Named(names) = self.update else { return Ok(()) };
        let mut known: Vec<String> = vec!["airlock".to_owned()];
        known.extend(spec.k3s.iter().map(|_| "k3s".to_owned()));
        known.extend(images.iter().map(|(image, _)| image.reference.to_string()));
        known.extend(spec.files.iter().map(|file| file.path.clone()));
        for name in names {
            if !known.iter().any(|known| same_name(name, known)) {
                return Err(unknown_name(name, &known));
            }
        }
        Ok(())
    }
}

fn unknown_name(name: &str, known: &[String]) -> Error {
    let help = match suggest::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "it takes `k3s`, `airlock`, an image as in bundle.yaml, or the path of a file on the node; known are: {}",
            known.join(", ")
        ),
    };
    let message = format!("--update: `{}` is not in bundle.yaml", name.escape_debug());
    Error::new(codes::LOCK_NAME, message).with_help(help)
}

/// Whether the user's `wanted` means the entry `name`: images may be given in short form, and a file of a
/// pattern, whose name ends in `/`, by its own path.
fn same_name(wanted: &str, name: &str) -> bool {
    wanted == name
        || name.ends_with('/') && wanted.starts_with(name)
        || wanted.parse::<Reference>().is_ok_and(|reference| reference.to_string() == name)
}

/// How a host is reached, in words for lock and manifest.
fn transport(hosts: &BTreeMap<String, HostSettings>, host: &str) -> String {
    let Some(settings) = hosts.get(host) else { return "TLS".to_owned() };
    let own = match settings {
        HostSettings { plain_http: true, .. } => "plain HTTP",
        HostSettings { insecure: true, .. } => "TLS without certificate check",
        _ => "TLS",
    };
    if settings.mirrors.is_empty() {
        own.to_owned()
    } else {
        format!("mirror {}, else {own}", settings.mirrors.join(", "))
    }
}

fn transport_of_url(hosts: &BTreeMap<String, HostSettings>, url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let host = rest.split('/').next().unwrap_or(rest);
    if scheme == "http" { "plain HTTP".to_owned() } else { transport(hosts, host) }
}
