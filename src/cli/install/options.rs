//! Options about the node, each of which changes one setting.

use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::cli::files;
use crate::cli::session::Session;
use crate::error::{Error, Result, codes};
use crate::node::settings::{Cidr, Gpu, REGISTRY_PORT, Registry, Role, Settings, Taint};

/// Names the standard input instead of a file.
pub(super) const INPUT: &str = "-";

/// Most bytes of settings that are read.
const LIMIT: u64 = 1024 * 1024;

/// Options about the node, as typed.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Node")]
pub struct NodeOptions {
    /// Settings as JSON instead of those of the last run; `-` reads them from standard input
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,

    /// What the node is in the cluster [default: server]
    #[arg(long, value_name = "ROLE")]
    pub role: Option<RoleName>,

    /// Server to join, as https://HOST:6443; a server without it founds a cluster
    #[arg(long, value_name = "URL")]
    pub join: Option<String>,

    /// File with the token of the cluster, mode 0600; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Name of the node [default: that of the host]
    #[arg(long, value_name = "NAME")]
    pub node_name: Option<String>,

    /// Address by which other nodes reach it
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<IpAddr>,

    /// Interface for the traffic between nodes
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,

    /// Label of the node; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,

    /// Taint that the node gets when it joins
    #[arg(long, value_name = "KEY=VALUE:EFFECT")]
    pub taint: Vec<Taint>,

    /// Other name or address of the servers, such as a virtual address, for their certificates
    #[arg(long, value_name = "HOST")]
    pub server_name: Vec<String>,

    /// Part of k3s to leave out: traefik, servicelb, metrics-server; the same on all servers
    #[arg(long, value_name = "NAME")]
    pub disable: Vec<String>,

    /// Port of the ingress for HTTP [default: 80]
    #[arg(long, value_name = "PORT")]
    pub http_port: Option<u16>,

    /// Port of the ingress for HTTPS [default: 443]
    #[arg(long, value_name = "PORT")]
    pub https_port: Option<u16>,

    /// Network of the pods [default: 10.42.0.0/16]
    #[arg(long, value_name = "NETWORK")]
    pub cluster_cidr: Option<Cidr>,

    /// Network of the services [default: 10.43.0.0/16]
    #[arg(long, value_name = "NETWORK")]
    pub service_cidr: Option<Cidr>,

    /// Where k3s keeps its data [default: /var/lib/rancher/k3s]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,

    /// Registry of the site, as https://harbor.lab/PROJECT: images are pushed there as far as they are missing, and
    /// pulled from there
    #[arg(long, value_name = "URL", conflicts_with_all = ["peer", "registry_port", "in_place", "own_registry"])]
    pub registry: Option<String>,

    /// File with the login for the registry of the site, as `docker login` writes it, mode 0600; a copy is kept for
    /// later runs
    #[arg(long, value_name = "FILE")]
    pub registry_auth: Option<PathBuf>,

    /// Let k3s log in to pull as well; needed where the registry lets nobody read without a login
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub registry_pull_auth: Option<bool>,

    /// Registry of another node to pull from, as https://HOST:5443, instead of one on this node; may be given several
    /// times: the first that answers is asked
    #[arg(long, value_name = "URL", conflicts_with = "in_place")]
    pub peer: Vec<String>,

    /// Have a registry with the whole bundle on this node, which is asked before those of `--peer`; servers have one
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub own_registry: Option<bool>,

    /// Port of the registry of this node [default: 5443]
    #[arg(long, value_name = "PORT")]
    pub registry_port: Option<u16>,

    /// Serve the bundle from the medium as it lies, without copying it; the medium has to stay
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub in_place: Option<bool>,

    /// Let nodes share images among themselves
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub share_images: Option<bool>,

    /// Whether the node gets the GPU parts of the bundle [default: auto]
    #[arg(long, value_name = "WHETHER")]
    pub gpu: Option<GpuChoice>,

    /// Which packages of the bundle are meant, if it has several for machines like this one
    #[arg(long, value_name = "TARGET")]
    pub target: Option<String>,

    /// Put right first what safely can be: settings of the kernel, modules, a missing default route [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub fix: Option<bool>,

    /// Do not install packages
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_packages: Option<bool>,
}

/// The role of a node, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleName {
    /// It runs the control plane and the datastore.
    Server,
    /// It runs pods.
    Agent,
    /// It runs no k3s, holds the virtual address and passes connections on to the servers.
    Balancer,
}

/// Whether a node gets the GPU parts, as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GpuChoice {
    /// If it has a GPU of NVIDIA.
    Auto,
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl NodeOptions {
    /// The settings of the last run, or those of a file, with what was typed in their place. Not checked yet.
    pub(super) fn settings(&self, before: Option<&Settings>, session: &Session) -> Result<Settings> {
        let from_input = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new(INPUT));
        if from_input(&self.settings) && from_input(&self.token_file) {
            return Err(Error::new(codes::USAGE, "settings and token cannot both come from standard input")
                .with_help("give the settings as a file: `--settings FILE`"));
        }
        let mut settings = match &self.settings {
            Some(path) => Settings::parse_file(&read(path)?, &path.to_string_lossy())?,
            None => before.cloned().unwrap_or_default(),
        };
        if self.settings.is_none() && before.is_some() {
            session.note("Taking the settings of the last run, with the options of this one");
        }
        self.apply(&mut settings);
        let is_external = matches!(settings.registry, Registry::External { .. });
        if !is_external && (self.registry_auth.is_some() || self.registry_pull_auth.is_some()) {
            return Err(Error::new(
                codes::USAGE,
                "a login is given for a registry of the site, and none is named",
            )
            .with_help("name it: `--registry https://HARBOR/PROJECT`"));
        }
        Ok(settings)
    }

    fn apply(&self, settings: &mut Settings) {
        let given = self.clone();
        if let Some(role) = given.role {
            settings.role = match role {
                RoleName::Server => Role::Server,
                RoleName::Agent => Role::Agent,
                RoleName::Balancer => Role::Balancer,
            };
        }
        if let Some(gpu) = given.gpu {
            settings.gpu = match gpu {
                GpuChoice::Auto => Gpu::Auto,
                GpuChoice::Yes => Gpu::Yes,
                GpuChoice::No => Gpu::No,
            };
        }
        settings.target = given.target.or(settings.target.take());
        settings.join = given.join.or(settings.join.take());
        settings.name = given.node_name.or(settings.name.take());
        settings.address = given.address.or(settings.address);
        settings.interface = given.interface.or(settings.interface.take());
        if !given.label.is_empty() {
            settings.labels = given.label.into_iter().collect();
        }
        replace(&mut settings.taints, given.taint);
        replace(&mut settings.server_names, given.server_name);
        replace(&mut settings.disable, given.disable);
        set(&mut settings.http_port, given.http_port);
        set(&mut settings.https_port, given.https_port);
        set(&mut settings.cluster_cidr, given.cluster_cidr);
        set(&mut settings.service_cidr, given.service_cidr);
        set(&mut settings.data_directory, given.data_dir);
        set(&mut settings.share_images, given.share_images);
        set(&mut settings.fix, given.fix);
        set(&mut settings.packages, given.no_packages.map(|without| !without));
        self.apply_registry(settings);
        settings.settle();
    }

    fn apply_registry(&self, settings: &mut Settings) {
        if let Some(endpoint) = &self.registry {
            let pull_auth = matches!(settings.registry, Registry::External { pull_auth: true, .. });
            settings.registry = Registry::External { endpoint: endpoint.clone(), pull_auth };
        } else if self.wants_own_registry() {
            let (port, in_place, endpoints) = match &settings.registry {
                Registry::Own { port, in_place, endpoints } => (*port, *in_place, endpoints.clone()),
                Registry::Peers { endpoints } => (REGISTRY_PORT, false, endpoints.clone()),
                Registry::External { .. } => (REGISTRY_PORT, false, Vec::new()),
            };
            settings.registry = Registry::Own {
                port: self.registry_port.unwrap_or(port),
                in_place: self.in_place.unwrap_or(in_place),
                endpoints: if self.peer.is_empty() { endpoints } else { self.peer.clone() },
            };
        } else if !self.peer.is_empty() {
            settings.registry = Registry::Peers { endpoints: self.peer.clone() };
        }
        if let Registry::External { pull_auth, .. } = &mut settings.registry {
            set(pull_auth, self.registry_pull_auth);
        }
    }

    fn wants_own_registry(&self) -> bool {
        match self.own_registry {
            Some(wanted) => wanted,
            None => self.registry_port.is_some() || self.in_place.is_some(),
        }
    }

    /// Whether options say which registry is meant.
    pub(super) fn name_a_registry(&self) -> bool {
        self.registry.is_some() || !self.peer.is_empty() || self.wants_own_registry()
    }
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

fn replace<T>(setting: &mut Vec<T>, given: Vec<T>) {
    if !given.is_empty() {
        *setting = given;
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path != Path::new(INPUT) {
        return files::read(path, "settings of the node", LIMIT);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LIMIT).read_to_end(&mut bytes).map_err(|error| {
        Error::new(codes::FILE_READ, "the settings could not be read from standard input")
            .with_help("give a file: `--settings FILE`")
            .with_source(error)
    })?;
    Ok(bytes)
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_changes_its_setting_and_no_other() {
        let mut settings = Settings { role: Role::Agent, http_port: 8080, ..Settings::default() };
        settings.labels.insert("a".to_owned(), "b".to_owned());
        let before = settings.clone();
        NodeOptions::default().apply(&mut settings);
        assert_eq!(settings, before);
        let options = NodeOptions {
            https_port: Some(8443),
            no_packages: Some(true),
            in_place: Some(true),
            label: vec![("c".to_owned(), "d".to_owned())],
            ..NodeOptions::default()
        };
        options.apply(&mut settings);
        let labels = [("c".to_owned(), "d".to_owned())].into();
        let registry = Registry::Own { port: REGISTRY_PORT, in_place: true, endpoints: Vec::new() };
        assert_eq!(settings, Settings { https_port: 8443, packages: false, labels, registry, ..before });
    }

    #[test]
    fn a_login_for_pulling_stays_with_the_registry_of_the_site() {
        let mut settings = Settings::default();
        let mut apply = |registry: Option<&str>, registry_pull_auth| {
            let registry = registry.map(str::to_owned);
            NodeOptions { registry, registry_pull_auth, ..NodeOptions::default() }.apply(&mut settings);
            settings.registry.clone()
        };
        let external =
            |endpoint: &str, pull_auth| Registry::External { endpoint: endpoint.to_owned(), pull_auth };
        assert_eq!(apply(Some("https://a/b"), None), external("https://a/b", false));
        assert_eq!(apply(None, Some(true)), external("https://a/b", true));
        assert_eq!(apply(Some("https://a/c"), None), external("https://a/c", true));
        assert_eq!(apply(None, Some(false)), external("https://a/c", false));
    }
}
