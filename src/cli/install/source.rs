//! Where the bundle is: on a medium, on another node, or in the store of this one.

use std::path::{Path, PathBuf};

use super::InstallArgs;
use super::options::NodeOptions;
use crate::cli::session::Session;
use crate::cli::usage::is_install;
use crate::error::{Error, Result, codes};
use crate::node::registry::STORE;
use crate::node::settings::{Registry, Role, Settings};
use crate::quote::quote;

/// Options of the source, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Other nodes")]
pub struct SourceOptions {
    /// Take the bundle from a node that has it, as https://HOST:5443; images are pulled from there as well
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,

    /// Certificate authorities of the registries of other nodes, or of that of the site (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,

    /// Fingerprint of the authority instead of its certificate, as the other node's `install` has printed it; where
    /// several other nodes are named, that of each
    #[arg(long, value_name = "SHA256:…", conflicts_with = "ca")]
    pub ca_fingerprint: Vec<String>,
}

/// Where the bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// In a drive: its directory or a volume, absolute.
    Medium(PathBuf),
    /// On the node at this address, or on others that the settings name.
    Server(String),
    /// In the store of this node.
    Store,
}

/// The source that was named, else the directory of `install`, else what the last run used, else the store.
pub(super) fn choose(arguments: &InstallArgs, settings: &Settings, session: &Session) -> Result<Source> {
    if let Some(url) = &arguments.source.from {
        return Ok(Source::Server(url.trim_end_matches('/').to_owned()));
    }
    if let Some(path) = &arguments.medium {
        return medium(path);
    }
    if let Some(directory) = beside(arguments, session) {
        return medium(directory);
    }
    if arguments.bundle.is_some() {
        return chosen(settings);
    }
    match settings.bundle.as_deref() {
        Some(url) if url.starts_with("https://") => Ok(Source::Server(url.to_owned())),
        Some(path) if Path::new(path).exists() => Ok(Source::Medium(path.into())),
        Some(_) | None if has_store(settings) => Ok(Source::Store),
        Some(path) => Err(no_bundle(&format!("the bundle of the last run, `{}`, is not there", quote(path)))),
        None => Err(no_bundle("no bundle is named")),
    }
}

/// Where the node keeps bundles that are named: its store, else the nodes that it pulls from.
fn chosen(settings: &Settings) -> Result<Source> {
    match settings.peers().into_iter().next() {
        _ if has_store(settings) => Ok(Source::Store),
        Some(peer) => Ok(Source::Server(peer)),
        None => Err(no_bundle("this node has no store, and no other node is named that has the bundle")),
    }
}

/// The directory of the program that was started as `install`, if there is a bundle and no other source is named. The
/// program alone is enough on nodes that take the bundle from another one.
pub(super) fn beside<'a>(arguments: &InstallArgs, session: &'a Session) -> Option<&'a Path> {
    let environment = session.environment();
    let is_install = environment.arguments.first().is_some_and(|name| is_install(Path::new(name)));
    let is_named =
        arguments.medium.is_some() || arguments.source.from.is_some() || arguments.bundle.is_some();
    let directory = environment.program.as_deref()?.parent()?;
    (is_install && !is_named && has_volumes(directory)).then_some(directory)
}

pub(super) fn medium(path: &Path) -> Result<Source> {
    let absolute = fs_err::canonicalize(path).map_err(|error| {
        Error::new(codes::FILE_READ, format!("there is no bundle at `{}`", quote(&path.to_string_lossy())))
            .with_help(
                "name the directory of the bundle or one of its volumes: `airlock install /media/stick`",
            )
            .with_source(error)
    })?;
    Ok(Source::Medium(absolute))
}

fn has_volumes(directory: &Path) -> bool {
    let entries = fs_err::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|extension| extension == "tar"))
}

/// Whether the bundle is in the store of this node: it has a registry of its own, or `airlock cluster` has sent it there
/// because images come from the registry of the site.
pub(super) fn has_store(settings: &Settings) -> bool {
    let may_have = match settings.registry {
        Registry::Own { in_place, .. } => !in_place,
        Registry::External { .. } => true,
        Registry::Peers { .. } => false,
    };
    may_have && Path::new(STORE).join("oci-layout").exists()
}

fn no_bundle(message: &str) -> Error {
    Error::new(codes::NO_BUNDLE, message).with_help(
        "name it: `airlock install /media/stick`; or the node that has it: `--from https://HOST:5443`",
    )
}

impl Source {
    /// Keeps where the bundle is for later runs. Who takes it from another node asks that one for images as well,
    /// unless options say otherwise: an agent instead of a registry of its own, a server after it.
    pub(super) fn remember(&self, settings: &mut Settings, arguments: &InstallArgs) {
        let options = &arguments.node;
        match self {
            Source::Medium(path) => settings.bundle = Some(path.to_string_lossy().into_owned()),
            Source::Server(url) => {
                settings.bundle = Some(url.clone());
                if options.settings.is_none() {
                    remember_peer(url, settings, options);
                }
            }
            // Whoever goes on after a restart takes it from there as well, where it is the newest by then.
            Source::Store if arguments.bundle.is_some() => settings.bundle = None,
            Source::Store => {}
        }
    }
}

fn remember_peer(url: &str, settings: &mut Settings, options: &NodeOptions) {
    let is_agent = settings.role == Role::Agent;
    let Registry::Own { endpoints, .. } = &mut settings.registry else { return };
    if is_agent && !options.name_a_registry() {
        settings.registry = Registry::Peers { endpoints: vec![url.to_owned()] };
    } else if options.peer.is_empty() && !endpoints.iter().any(|known| known == url) {
        endpoints.push(url.to_owned());
    }
}
