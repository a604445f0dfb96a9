//! What the operator wants of this node: typed as options of `install`, kept for later runs, and handed over as
//! JSON by `airlock cluster`. No secret is among them.

mod broken;
mod grammar;

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::grammar::{Cidr, Taint, check_key, check_label, check_value};
use crate::error::{Error, Result, codes};
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
    /// Other names and addresses of the servers, such as a virtual address; for their certificates.
    pub server_names: Vec<String>,
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

/// What a node is in the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// It runs the control plane and the datastore.
    #[default]
    Server,
    /// It runs pods.
    Agent,
}

impl Role {
    /// The name of its systemd unit, without suffix; also that of the k3s command behind it is `server` or `agent`.
    pub fn unit(self) -> &'static str {
        match self {
            Role::Server => "k3s",
            Role::Agent => "k3s-agent",
        }
    }

    /// The command of k3s.
    pub fn command(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Agent => "agent",
        }
    }
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
            disable: Vec::new(),
            http_port: 80,
            https_port: 443,
            cluster_cidr: Cidr::POD_DEFAULT,
            service_cidr: Cidr::SERVICE_DEFAULT,
            data_directory: "/var/lib/rancher/k3s".to_owned(),
            registry: Registry::Own { port: REGISTRY_PORT, in_place: false },
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
        let settings: Settings =
            serde_json::from_slice(json).map_err(|error| broken::error(json, file, error))?;
        settings.check()?;
        Ok(settings)
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
        self.check_networks()
    }

    fn check_place_in_cluster(&self) -> Result<()> {
        match (&self.join, self.role) {
            (None, Role::Agent) => {
                return Err(Error::new(codes::NODE_SETTINGS, "an agent has to know which server it joins")
                    .with_help("name one: `--join https://HOST:6443`"));
            }
            (Some(url), _) => grammar::check_url(url).map_err(|why| bad("--join", url, why))?,
            (None, Role::Server) => {}
        }
        match &self.registry {
            Registry::Own { .. } => Ok(()),
            Registry::Peers { endpoints } => endpoints
                .iter()
                .try_for_each(|url| grammar::check_url(url).map_err(|why| bad("--peer", url, why))),
            Registry::External { endpoint, .. } => Target::parse(endpoint)
                .map(drop)
                .map_err(|error| bad("--registry", endpoint, &error.to_string())),
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
        for (index, (option, port)) in ports.iter().enumerate() {
            let is_taken = matches!(port, 0 | 2379..=2382 | 5001 | 6443 | 6444 | 10010 | 10248..=10259)
                || ports[..index].iter().any(|(_, other)| other == port);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_a_first_server() {
        let settings = Settings::parse(b"{}").unwrap();
        assert_eq!(settings, Settings::default());
        let json = serde_json::to_vec(&settings).unwrap();
        assert_eq!(Settings::parse(&json).unwrap(), settings);
        let json = br#"{"registry": {"kind": "external", "endpoint": "http://harbor.lab:8080/platform"}}"#;
        assert!(Settings::parse(json).is_ok(), "without TLS, but only as it is written");
    }

    #[test]
    fn what_cannot_work_is_told_with_its_option() {
        for (json, part) in [
            (r#"{"role": "agent"}"#, "which server"),
            (r#"{"rolle": "agent"}"#, "cannot be understood"),
            (r#"{"role": "agent", "join": "http://a:6443"}"#, "--join"),
            (r#"{"labels": {"node-role.kubernetes.io/master": "true"}}"#, "--label"),
            (r#"{"labels": {"a b": "true"}}"#, "--label"),
            (r#"{"taints": ["gpu=yes:Sometimes"]}"#, "cannot be understood"),
            (r#"{"name": "GPU_1"}"#, "--node-name"),
            (r#"{"httpPort": 6443}"#, "--http-port"),
            (r#"{"httpPort": 443}"#, "--https-port"),
            (r#"{"httpsPort": 5443}"#, "--registry-port"),
            (r#"{"serviceCidr": "10.42.128.0/20"}"#, "--cluster-cidr"),
            (r#"{"interface": "-x"}"#, "--interface"),
            (r#"{"dataDirectory": "data"}"#, "--data-dir"),
            (r#"{"disable": ["a\nb"]}"#, "--disable"),
            (r#"{"signatures": 0}"#, "--signatures"),
            (r#"{"registry": {"kind": "external", "endpoint": "harbor"}}"#, "--registry"),
            (r#"{"registry": {"kind": "external", "endpoint": "https://a/B"}}"#, "--registry"),
            (r#"{"registry": {"kind": "peers", "endpoints": ["http://a"]}}"#, "--peer"),
        ] {
            let error = Settings::parse(json.as_bytes()).unwrap_err();
            assert_eq!(error.code(), codes::NODE_SETTINGS);
            assert!(error.message().contains(part), "{json}: {}", error.message());
        }
    }
}
