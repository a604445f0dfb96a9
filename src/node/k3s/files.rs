//! The files of k3s: its program under all its names, and its configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{self, Surroundings};
use super::registries;
use super::token::Token;
use super::{paths, unit};
use crate::node::origin::Origin;
use crate::node::registry::endpoint::Endpoint;
use crate::node::resource::{BlobFile, File, Link, Resources, Service};
use crate::node::settings::{K3sRole, Settings};
use crate::node::step::{Step, names};
use crate::secret::Secret;

/// For name servers that nobody can reach: documentation addresses are never assigned (RFC 5737). Without any
/// name server k3s would send pods to one on the internet.
const NO_NAME_SERVER: &str = "# Written by airlock: this host has no name server that pods could use.\n\
                              nameserver 192.0.2.1\n";

/// Everything that the files of k3s follow from.
#[derive(Clone)]
pub struct Wanted {
    /// What the operator wants.
    pub settings: Settings,
    /// What of k3s runs.
    pub role: K3sRole,
    /// What was found out on the node.
    pub surroundings: Surroundings,
    /// The bundle.
    pub origin: Arc<dyn Origin>,
    /// The k3s program in it for this machine.
    pub program: crate::bundle::manifest::Blob,
    /// The registries that images are pulled from.
    pub endpoints: Vec<Endpoint>,
    /// Whether they are known by the certificate in [`paths::REGISTRY_CA`]; otherwise by those of the machine.
    pub has_authority: bool,
    /// Labels that the hardware of the node asks for; those of the settings count before them.
    pub labels: BTreeMap<String, String>,
    /// Container runtimes besides that of k3s, as far as they are there: k3s looks for them when it starts.
    pub runtimes: String,
    /// The token that the operator has given.
    pub token: Option<Secret<String>>,
}

impl Wanted {
    /// The program and the names that it has besides.
    pub fn program(&self) -> Box<dyn Step> {
        let program = BlobFile {
            path: paths::PROGRAM.to_owned(),
            blob: self.program,
            mode: 0o755,
            origin: self.origin.clone(),
        };
        let links = paths::LINKS.map(|name| Link { path: beside_program(name), target: "k3s".to_owned() });
        let step = Resources::new(names::K3S_PROGRAM, "Put the k3s program in place").with(program);
        Box::new(links.into_iter().fold(step, Resources::with))
    }

    /// Token, configuration, registries.
    pub fn configuration(&self) -> Box<dyn Step> {
        let step = Resources::new(names::K3S_CONFIGURATION, "Write the configuration of k3s")
            .with(Token { given: self.token.clone() });
        Box::new(self.files().into_iter().fold(step, Resources::with))
    }

    /// The unit, enabled and running with that configuration.
    pub fn service(&self) -> Service {
        let configuration = self.files().into_iter().map(|file| file.content);
        Service {
            name: format!("{}.service", self.role.unit()),
            unit: unit::unit(self.role),
            is_drop_in: false,
            configuration: configuration
                .chain([self.program.digest.bytes().to_vec(), self.runtimes.clone().into_bytes()])
                .collect(),
            deadline: super::readiness::START,
        }
    }

    fn with_labels(&self) -> Settings {
        let mut settings = self.settings.clone();
        for (key, value) in &self.labels {
            settings.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        settings
    }

    /// All files but the token. That of the registries may hold a password.
    fn files(&self) -> Vec<File> {
        let hosts = registries::hosts(self.origin.manifest());
        let mut files = vec![
            File::private(paths::CONFIG, config::config(&self.with_labels(), self.surroundings)),
            File::private(
                paths::REGISTRIES,
                registries::registries(&self.endpoints, &hosts, self.has_authority),
            ),
        ];
        if self.surroundings.without_name_server {
            files.push(File::new(paths::RESOLV_CONF, NO_NAME_SERVER));
        }
        if let (K3sRole::Server, Some(text)) = (self.role, config::ingress_ports(&self.settings)) {
            let directory = paths::manifests(&self.settings.data_directory);
            files.push(File::private(format!("{directory}/airlock-traefik-config.yaml"), text));
        }
        files
    }
}

fn beside_program(name: &str) -> String {
    paths::PROGRAM.replace("/k3s", &format!("/{name}"))
}
