//! Which server an agent speaks with: the one it joined by, until that is gone, then any other.

use reqwest::Method;
use serde_json::{Value, json};

use super::Result;
use super::flags::Role;
use super::paths::write;
use super::settings::Settings;
use super::supervisor_client::Supervisor;

/// The servers that one agent knows.
pub struct Balancer<'a> {
    settings: &'a Settings,
    /// By which it joined.
    url: String,
    servers: Vec<String>,
}

impl<'a> Balancer<'a> {
    /// Knows the server that was joined.
    pub fn new(settings: &'a Settings, url: &str) -> Balancer<'a> {
        Balancer { settings, url: url.to_owned(), servers: vec![url.to_owned()] }
    }

    /// Asks for all servers and writes them where the real agent does. A server speaks with itself alone.
    pub async fn learn(&mut self, supervisor: &Supervisor) -> Result<()> {
        if self.settings.role == Role::Server {
            return Ok(());
        }
        let Ok(Some(nodes)) = supervisor.call(Method::GET, "/api/v1/nodes", None).await else {
            return Ok(());
        };
        let found: Vec<String> = nodes["items"].as_array().into_iter().flatten().filter_map(server).collect();
        if found.is_empty() || found.iter().all(|server| self.servers.contains(server)) {
            return Ok(());
        }
        let addresses: Vec<&str> = found.iter().map(|url| url.trim_start_matches("https://")).collect();
        let state = json!({"ServerURL": self.url, "ServerAddresses": addresses}).to_string();
        self.servers.clone_from(&found);
        write(&self.settings.paths.agent("etc/k3s-agent-load-balancer.json"), state.as_bytes(), 0o600)
    }

    /// The server to try after one that has failed.
    pub fn next(&mut self) -> &str {
        self.servers.rotate_left(1);
        &self.servers[0]
    }
}

fn server(node: &Value) -> Option<String> {
    let is_server = node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == "true";
    let address = node["status"]["addresses"][0]["address"].as_str()?;
    // Servers of one cluster listen on the usual port here.
    is_server.then(|| format!("https://{address}:6443"))
}
