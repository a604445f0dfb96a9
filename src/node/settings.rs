//! What the operator wants of this node: typed as options of `install`, kept for later runs, and handed over as
//! JSON by `airlock cluster`. No secret is among them.

mod broken;
pub(crate) mod grammar;
mod role;

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::grammar::{Cidr, Taint, check_key, check_label, check_value};
pub(in crate::node) use self::grammar::{check_host, check_interface, check_path};
pub use self::role::{K3sRole, Role};
use crate::error::{Error, Result, codes};
use crate::node::availability::NodeVirtualAddress;
use crate::node::nfs::{self, NfsMount};
use crate::oci::digest::Digest;
use crate::push::Target;
use crate::quote::quote;

/// Where they are kept.
pub const PATH: &str = "/var/lib/airlock/settings.json";

/// The port of the registry unless another one is wanted.
pub const REGISTRY_PORT: u16 = 5443;

/// What the operator wants of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// What the node is in the cluster.
    pub role: Role,
    /// The server to join, as `https://HOST:6443`. A server without it founds a cluster; an agent has it.
    pub join: Option<String>,
    /// Name of the node; otherwise the name of the host.
    pub name: Option<String>,
    /// Address by which other nodes reach it; otherwise that of the interface, or of the default route.
    pub address: Option<IpAddr>,
    /// Interface for the traffic between nodes.
    pub interface: Option<String>,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
    /// Taints that the node gets when it joins.
    pub taints: Vec<Taint>,
    /// Other names and addresses of the servers; for their certificates. The virtual address is among them by itself.
    pub server_names: Vec<String>,
    /// The address in front of the servers, on servers and balancers.
    pub virtual_address: Option<NodeVirtualAddress>,
    /// Network file systems that the node mounts.
    pub nfs: Vec<NfsMount>,
    /// Parts of k3s that are left out: `traefik`, `servicelb`, `metrics-server`, …; the same on all servers.
    pub disable: Vec<String>,
    /// Port of the ingress for HTTP.
    pub http_port: u16,
    /// Port of the ingress for HTTPS.
    pub https_port: u16,
    /// Network of the pods.
    pub cluster_cidr: Cidr,
    /// Network of the services.
    pub service_cidr: Cidr,
    /// Where k3s keeps its data.
    pub data_directory: String,
    /// Where images come from.
    pub registry: Registry,
    /// Where the bundle is, for runs that name none: the absolute path of its medium, or `https://HOST:5443` of a
    /// node that has it.
    pub bundle: Option<String>,
    /// Whether nodes share images among themselves (the embedded registry of k3s).
    pub share_images: bool,
    /// Whether the node gets the GPU parts of the bundle.
    pub gpu: Gpu,
    /// Whether the packages of the bundle are installed.
    pub packages: bool,
    /// Which target of `apt` in the bundle is for this node, where there are several for its distribution.
    pub target: Option<String>,
    /// Whether settings of the kernel, modules and a missing default route are put right before the installation.
    pub fix: bool,
    /// How many different keys must have signed a bundle, 1 to 16.
    #[schemars(range(min = 1, max = 16))]
    pub signatures: usize,
    /// The one bundle without signature that the operator has accepted: the digest of its manifest.
    pub unsigned: Option<Digest>,
}

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Registry {
    /// This node has a registry of its own, and may serve others.
    Own {
        /// Its port.
        port: u16,
        /// Serve the volumes of the bundle where they lie, without a copy in the store.
        #[serde(default, rename = "inPlace")]
        in_place: bool,
        /// Registries of other nodes that are asked after it, should it not answer: `https://HOST:5443`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        endpoints: Vec<String>,
    },
    /// The registries of other nodes: `https://HOST:5443`. The first that answers is asked.
    Peers {
        /// Their addresses.
        endpoints: Vec<String>,
    },
    /// A registry that the site has; images are pushed to it.
    External {
        /// Its address and the project in it: `https://harbor.lab/platform`.
        endpoint: String,
        /// Whether k3s logs in to pull, as the push does.
        #[serde(default, rename = "pullAuth")]
        pull_auth: bool,
    },
}

/// Whether a node gets the GPU parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Gpu {
    /// If it has a GPU of NVIDIA.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl Registry {
    /// A registry of the node at this port, with a copy of the bundle.
    pub fn own(port: u16) -> Registry {
        Registry::Own { port, in_place: false, endpoints: Vec::new() }
    }

    /// The registries of other nodes among those that are asked, in their order.
    pub fn others(&self) -> &[String] {
        match self {
            Registry::Own { endpoints, .. } | Registry::Peers { endpoints } => endpoints,
            Registry::External { .. } => &[],
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            role: Role::default(),
            join: None,
            name: None,
            address: None,
            interface: None,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            server_names: Vec::new(),
            virtual_address: None,
            nfs: Vec::new(),
            disable: Vec::new(),
            http_port: 80,
            https_port: 443,
            cluster_cidr: Cidr::POD_DEFAULT,
            service_cidr: Cidr::SERVICE_DEFAULT,
            data_directory: "/var/lib/rancher/k3s".to_owned(),
            registry: Registry::own(REGISTRY_PORT),
            bundle: None,
            share_images: false,
            gpu: Gpu::default(),
            packages: true,
            target: None,
            fix: true,
            signatures: 1,
            unsigned: None,
        }
    }
}

impl Settings {
    /// Reads and checks them.
    ///
    /// # Errors
    /// [`codes::NODE_SETTINGS`] naming the field.
    pub fn parse(json: &[u8]) -> Result<Settings> {
        Settings::parse_file(json, PATH)
    }

    /// The same for those in `file`, as the user has named it.
    ///
    /// # Errors
    /// [`codes::NODE_SETTINGS`] with the place in the file, or naming the option.
    pub fn parse_file(json: &[u8], file: &str) -> Result<Settings> {
        let mut settings: Settings =
            serde_json::from_slice(json).map_err(|error| broken::error(json, file, error))?;
        settings.settle();
        settings.check()?;
        Ok(settings)
    }

    /// Other nodes from which bundle or images come, each once: `https://HOST:5443`.
    pub fn peers(&self) -> Vec<String> {
        let bundle = self.bundle.iter().filter(|place| place.starts_with("https://"));
        let mut peers: Vec<String> = Vec::new();
        for peer in bundle.chain(self.registry.others()) {
            if !peers.contains(peer) {
                peers.push(peer.clone());
            }
        }
        peers
    }

    /// Settles what follows from the role: a balancer pulls no images, and has no registry of its own.
    pub fn settle(&mut self) {
        if let (Role::Balancer, Registry::Own { .. }) = (self.role, &self.registry) {
            self.registry = Registry::Peers { endpoints: Vec::new() };
        }
    }

    /// All names and addresses besides its own by which a server is reached: those that were given, and the virtual
    /// address.
    pub fn certificate_names(&self) -> Vec<String> {
        let mut names = self.server_names.clone();
        let host = self.virtual_address.as_ref().map(NodeVirtualAddress::host);
        names.extend(host.filter(|host| !self.server_names.contains(host)));
        names
    }

    /// The JSON Schema of the document (draft 2020-12).
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Settings).to_value()
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`codes::NODE_SETTINGS`] naming the option.
    pub fn check(&self) -> Result<()> {
        self.check_place_in_cluster()?;
        for (key, value) in &self.labels {
            grammar::check_label(key, value).map_err(|why| bad("--label", &format!("{key}={value}"), why))?;
        }
        if let Some(name) = &self.name {
            grammar::check_node_name(name).map_err(|why| bad("--node-name", name, why))?;
        }
        for name in &self.server_names {
            grammar::check_host(name).map_err(|why| bad("--server-name", name, why))?;
        }
        if let Some(interface) = &self.interface {
            grammar::check_interface(interface).map_err(|why| bad("--interface", interface, why))?;
        }
        for component in &self.disable {
            grammar::check_component(component).map_err(|why| bad("--disable", component, why))?;
        }
        grammar::check_path(&self.data_directory)
            .map_err(|why| bad("--data-dir", &self.data_directory, why))?;
        if !(1..=16).contains(&self.signatures) {
            return Err(bad("--signatures", &self.signatures.to_string(), "it is 1 to 16"));
        }
        nfs::check(&self.nfs).map_err(|(key, value, why)| wrong(&format!("nfs.{key}"), &value, why))?;
        if let Some(address) = &self.virtual_address {
            address
                .check(self.role, self.address)
                .map_err(|(key, value, why)| wrong(&format!("virtualAddress.{key}"), &value, why))?;
        }
        self.check_networks()
    }

    fn check_place_in_cluster(&self) -> Result<()> {
        match (&self.join, self.role) {
            (None, Role::Agent) => {
                return Err(Error::new(codes::NODE_SETTINGS, "an agent has to know which server it joins")
                    .with_help("name one: `--join https://HOST:6443`"));
            }
            (Some(url), Role::Balancer) => return Err(bad("--join", url, "a balancer joins nothing")),
            (Some(url), _) => grammar::check_url(url).map_err(|why| bad("--join", url, why))?,
            (None, Role::Balancer) => self.check_balancer()?,
            (None, Role::Server) => {}
        }
        match &self.registry {
            Registry::Own { endpoints, .. } | Registry::Peers { endpoints } => endpoints
                .iter()
                .try_for_each(|url| grammar::check_url(url).map_err(|why| bad("--peer", url, why))),
            Registry::External { endpoint, .. } => Target::parse(endpoint)
                .map(drop)
                .map_err(|error| bad("--registry", endpoint, &error.to_string())),
        }
    }

    fn check_balancer(&self) -> Result<()> {
        let balances = self.virtual_address.as_ref().is_some_and(|address| address.balancer().is_some());
        match balances {
            true => Ok(()),
            false => Err(Error::new(
                codes::NODE_SETTINGS,
                "a balancer has to know its virtual address, and which servers it passes connections on to",
            )
            .with_help(
                "give both with `--settings FILE`: `virtualAddress` of the kind `haproxy`, see docs/install.md",
            )),
        }
    }

    fn check_networks(&self) -> Result<()> {
        if self.cluster_cidr.overlaps(&self.service_cidr) {
            let what = format!("{} and {}", self.cluster_cidr, self.service_cidr);
            return Err(bad("--cluster-cidr", &what, "the networks of pods and services overlap"));
        }
        let mut ports = vec![("--http-port", self.http_port), ("--https-port", self.https_port)];
        if let Registry::Own { port, .. } = self.registry {
            ports.push(("--registry-port", port));
        }
        let balancer = self.virtual_address.iter().flat_map(NodeVirtualAddress::ports);
        ports.extend(balancer.map(|port| ("virtualAddress.balancer", port)));
        let has_k3s = self.role.k3s().is_some();
        for (index, (option, port)) in ports.iter().enumerate() {
            let is_of_k3s = matches!(port, 2379..=2382 | 5001 | 6443 | 6444 | 10010 | 10248..=10259);
            let is_taken =
                *port == 0 || has_k3s && (is_of_k3s || ports[..index].iter().any(|(_, other)| other == port));
            if is_taken {
                return Err(bad(
                    option,
                    &port.to_string(),
                    "the port is used for something else on the node",
                ));
            }
        }
        Ok(())
    }
}

fn bad(option: &str, value: &str, why: &str) -> Error {
    Error::new(codes::NODE_SETTINGS, format!("`{option} {}`: {why}", quote(value)))
        .with_help(format!("give another `{option}`; `airlock install --help` says what it takes"))
}

/// The same for what no option gives.
fn wrong(key: &str, value: &str, why: &str) -> Error {
    Error::new(codes::NODE_SETTINGS, format!("`{key}` is `{}`: {why}", quote(value)))
        .with_help(format!("write another `{key}` into the settings; docs/install.md explains it"))
}

#[cfg(test)]
mod tests;
