//! `cluster.yaml` as it is typed: every key optional, every value with its position.
//!
//! An Ansible inventory becomes the same: [`crate::spec::ansible`] translates its variables, word by word with their
//! places, so that both are checked by the same code and say the same about the same mistake.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::Secret;
use crate::spec::raw::Text;
use crate::spec::raw::either::{HasShortForm, Switch, TextOr};
use crate::spec::yaml::{Entries, Given, Located};

/// The hosts of a cluster and what is wanted of them: the file `cluster.yaml`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["apiVersion", "kind", "servers"]))]
pub(in crate::spec) struct Cluster {
    /// Format of this file.
    #[schemars(extend("const" = "airlock/v1"))]
    pub api_version: Given<Text>,
    /// What this file describes.
    #[schemars(extend("const" = "Cluster"))]
    pub kind: Given<Text>,
    /// Hosts with the control plane and the datastore: one, or an odd number. The first founds the cluster.
    #[schemars(length(min = 1))]
    pub servers: Given<Located<Hosts>>,
    /// Hosts that run pods only.
    pub agents: Given<Located<Hosts>>,
    /// Hosts that only hold the virtual address and pass connections on to the servers.
    pub balancers: Given<Located<Hosts>>,
    /// What holds for every host that does not say otherwise. Labels are joined, everything else is replaced.
    #[schemars(extend("not" = {"anyOf": [{"required": ["name"]}, {"required": ["host"]}, {"required": ["address"]},
        {"required": ["local"]}]}))]
    pub defaults: Given<Located<Host>>,
    /// The address in front of the servers, kept on them by keepalived; or a map with more to say about it.
    pub virtual_address: Given<Located<TextOr<VirtualAddress>>>,
    /// File with the token with which nodes join, mode 0600, relative to this file. Default: the first server makes one.
    pub token_file: Given<Text>,
    /// Other names and addresses of the servers, for their certificates.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub server_names: Given<Located<Vec<Text>>>,
    /// Parts of k3s that are left out, such as `traefik`.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub disable: Given<Located<Vec<Text>>>,
    /// Port of the ingress for HTTP. Default: 80.
    #[schemars(with = "u16", range(min = 1))]
    pub http_port: Given<Text>,
    /// Port of the ingress for HTTPS. Default: 443.
    #[schemars(with = "u16", range(min = 1))]
    pub https_port: Given<Text>,
    /// Port of the registries of the nodes. Default: 5443.
    #[schemars(with = "u16", range(min = 1))]
    pub registry_port: Given<Text>,
    /// Registry of the site instead of those of the nodes, with the project in it: `https://harbor.lab/platform`.
    #[schemars(regex(pattern = "^https?://"))]
    pub site_registry: Given<Text>,
    /// Whether nodes log in there to pull, too, with the login that lies on every host. Default: false.
    #[schemars(with = "bool")]
    pub site_registry_pull_auth: Given<Located<bool>>,
    /// Network of the pods. Default: `10.42.0.0/16`.
    pub cluster_cidr: Given<Text>,
    /// Network of the services. Default: `10.43.0.0/16`.
    pub service_cidr: Given<Text>,
    /// Where k3s keeps its data. Default: `/var/lib/rancher/k3s`.
    #[schemars(regex(pattern = "^/"))]
    pub data_directory: Given<Text>,
    /// Whether nodes share images among themselves. Default: in clusters of more than two.
    pub share_images: Given<bool>,
    /// Whether the packages of the bundle are installed. Default: true.
    pub packages: Given<bool>,
    /// Which target of `apt` in the bundle is meant, where there are several for a distribution.
    pub target: Given<Text>,
    /// How many commands run at the same time. Default: 30.
    #[schemars(with = "u16", range(min = 1, max = 1000))]
    pub concurrency: Given<Text>,
    /// The token itself, which only an Ansible inventory can hold.
    #[serde(skip)]
    pub token: Option<Secret<String>>,
}

/// The hosts of one role.
pub(in crate::spec) type Hosts = Vec<Located<TextOr<Host>>>;

/// A host: its name, or a map with more to say about it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::spec) struct Host {
    /// Name in the cluster and in reports, or a range of names: `node[01:16]`.
    pub name: Given<Text>,
    /// Name or address for SSH, or a range as long as that of the names. Default: the name.
    pub host: Given<Text>,
    /// The machine on which airlock itself runs; it is not reached by SSH. Default: false.
    pub local: Given<Located<bool>>,
    /// Who logs in. Default: what the configuration of OpenSSH says.
    pub user: Given<Text>,
    /// Port of SSH.
    #[schemars(with = "u16", range(min = 1))]
    pub port: Given<Text>,
    /// Private key, relative to this file; `~/` is the home directory.
    pub identity_file: Given<Text>,
    /// Hosts to go through, as `ProxyJump` of ssh_config(5) takes them: `user@bastion:22`, several with commas.
    pub jump: Given<Text>,
    /// Fingerprints of the host's keys, one of which it has to show: `SHA256:…`. Default: `known_hosts` decides.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub host_keys: Given<Located<Vec<Text>>>,
    /// File with the password for sudo, mode 0600, relative to this file. Default: sudo asks for none.
    pub sudo_password_file: Given<Text>,
    /// Address by which other nodes reach it. Default: that of its interface.
    pub address: Given<Text>,
    /// Interface for the traffic between nodes. Default: that of the default route.
    pub interface: Given<Text>,
    /// Labels of the node.
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Given<Entries<Text>>,
    /// Taints of the node: `KEY=VALUE:EFFECT`.
    #[schemars(with = "Vec<String>")]
    pub taints: Given<Located<Vec<Text>>>,
    /// Whether the node gets the GPU parts of the bundle: `true`, `false` or `auto`. Default: `auto`.
    #[schemars(extend("enum" = [true, false, "auto", "yes", "no"]))]
    pub gpu: Given<Located<Switch>>,
    /// Whether it has a registry of its own with the whole bundle. Default: servers have one, agents have not.
    pub registry: Given<Located<bool>>,
    /// Network file systems that it mounts.
    pub nfs: Given<Vec<Located<Nfs>>>,
    /// The password itself, which only an Ansible inventory can hold.
    #[serde(skip)]
    pub sudo_password: Option<Secret<String>>,
}

impl HasShortForm for Host {
    const EXPECTED: &'static str =
        "the name of a host, or a map with `name: NAME`; for example `- worker[01:16]`";
}

/// A network file system.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["source", "path"]))]
pub(in crate::spec) struct Nfs {
    /// `HOST:/path` of the server.
    pub source: Given<Text>,
    /// Where it is mounted.
    #[schemars(regex(pattern = "^/"))]
    pub path: Given<Text>,
    /// Options as in nfs(5), without spaces. Default: `defaults`.
    pub options: Given<Text>,
}

/// The address in front of the servers.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["host"]))]
pub(in crate::spec) struct VirtualAddress {
    /// The address; for `external` also a name.
    pub host: Given<Text>,
    /// Who holds it. Default: `keepalived`; with balancers `haproxy`.
    #[schemars(extend("enum" = ["keepalived", "haproxy", "kube-vip", "external"]))]
    pub mode: Given<Text>,
    /// Length of the network prefix of the address.
    #[schemars(with = "u8", range(min = 1, max = 128))]
    pub prefix: Given<Text>,
    /// Interface that gets the address. Default: that of the node.
    pub interface: Given<Text>,
    /// Virtual router of VRRP, unique on the segment. Default: it follows from the address.
    #[schemars(with = "u8", range(min = 1))]
    pub router_id: Given<Text>,
    /// Where haproxy or the load balancer of the site listens. Default: 6443; for haproxy on servers 8443.
    #[schemars(with = "u16", range(min = 1))]
    pub port: Given<Text>,
    /// Port of the status page of haproxy. Default: 8404.
    #[schemars(with = "u16", range(min = 1))]
    pub status_port: Given<Text>,
}

impl HasShortForm for VirtualAddress {
    const EXPECTED: &'static str =
        "an address, or a map with `host: ADDRESS`; for example `virtualAddress: 10.0.0.100`";
}
