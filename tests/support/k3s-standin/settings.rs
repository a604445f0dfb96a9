//! What a server or an agent is to do: configuration files, command line and environment together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use super::flags::{self, Role, Values};
use super::paths::Paths;
use super::{Result, Variables, configuration, network};

/// Where the configuration is, unless `--config` or `K3S_CONFIG_FILE` says otherwise.
pub const CONFIGURATION: &str = "/etc/rancher/k3s/config.yaml";
/// Where everything else is, unless `--data-dir` says otherwise.
pub const DATA_DIRECTORY: &str = "/var/lib/rancher/k3s";
/// A file with a token may come later than the service.
const TOKEN_FILE_INTERVAL: Duration = Duration::from_secs(2);

/// The settings of one node.
#[derive(Clone, Debug)]
pub struct Settings {
    pub role: Role,
    pub paths: Paths,
    /// In lower case.
    pub node_name: String,
    pub node_ip: String,
    /// The server to join.
    pub server: Option<String>,
    /// As it was given.
    pub token: Option<String>,
    pub agent_token: Option<String>,
    pub port: u16,
    values: Values,
}

impl Settings {
    /// Reads everything that applies.
    pub async fn read(role: Role, arguments: &[String], variables: &Variables) -> Result<Settings> {
        let line = flags::parse(role, arguments)?;
        let given = line.get("config").and_then(|values| values.last()).cloned();
        let file = given.or_else(|| variables.get("K3S_CONFIG_FILE").cloned());
        let mut values = configuration::read(role, Path::new(file.as_deref().unwrap_or(CONFIGURATION)))?;
        values.extend(line);
        Settings::from_values(role, values, variables).await
    }

    async fn from_values(role: Role, values: Values, variables: &Variables) -> Result<Settings> {
        let last = |flag: &str| values.get(flag).and_then(|values| values.last()).cloned();
        let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty()).cloned();
        let token_file = last("token-file").or_else(|| variable("K3S_TOKEN_FILE"));
        let token = match (last("token").or_else(|| variable("K3S_TOKEN")), token_file) {
            (Some(token), _) => Some(token),
            (None, Some(file)) => Some(wait_for_file(Path::new(&file)).await?),
            (None, None) => None,
        };
        let agent_token = match (last("agent-token"), last("agent-token-file")) {
            (None, Some(file)) => Some(fs::read_to_string(file)?.trim().to_owned()),
            (token, _) => token,
        };
        let name = last("node-name").or_else(|| variable("K3S_NODE_NAME"));
        let node_ip = match (last("node-ip"), last("flannel-iface")) {
            (Some(address), _) => address,
            (None, Some(interface)) => network::address_of(&interface)?,
            (None, None) => network::address_by_default_route()?,
        };
        let data = last("data-dir").unwrap_or_else(|| DATA_DIRECTORY.to_owned());
        Ok(Settings {
            role,
            paths: Paths::new(&data),
            node_name: name.map_or_else(network::host_name, Ok)?.to_lowercase(),
            node_ip,
            server: last("server").or_else(|| variable("K3S_URL")),
            token,
            agent_token,
            port: last("https-listen-port").unwrap_or_else(|| "6443".to_owned()).parse()?,
            values,
        })
    }

    /// What is needed to pull images by hand, where there may be neither name nor network.
    pub fn for_images(values: Values) -> Settings {
        let data = values.get("data-dir").and_then(|values| values.last()).cloned();
        Settings {
            role: Role::Agent,
            paths: Paths::new(data.as_deref().unwrap_or(DATA_DIRECTORY)),
            node_name: String::new(),
            node_ip: String::new(),
            server: None,
            token: None,
            agent_token: None,
            port: 0,
            values,
        }
    }

    /// All values of a repeatable flag; commas separate as well.
    pub fn all(&self, flag: &str) -> Vec<String> {
        let values = self.values.get(flag).into_iter().flatten();
        values.flat_map(|value| value.split(',')).map(|part| part.trim().to_owned()).collect()
    }

    /// The value that counts.
    pub fn last(&self, flag: &str) -> Option<&str> {
        self.values.get(flag)?.last().map(String::as_str)
    }

    /// Whether a switch is on.
    pub fn is_on(&self, flag: &str) -> bool {
        self.last(flag) == Some("true")
    }

    /// Where `registries.yaml` is.
    pub fn registries(&self) -> PathBuf {
        let usual = || self.paths.etc.join("k3s/registries.yaml");
        self.last("private-registry").map_or_else(usual, PathBuf::from)
    }
}

async fn wait_for_file(file: &Path) -> Result<String> {
    while !file.exists() {
        tokio::time::sleep(TOKEN_FILE_INTERVAL).await;
    }
    Ok(fs::read_to_string(file)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_environment_ranks_below_files_and_arguments() {
        let variables = [("K3S_TOKEN", "by-variable"), ("K3S_URL", "https://10.77.0.11:6443")];
        let variables =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let read = |flags: &[(&str, &str)]| {
            let mut values = Values::new();
            for (flag, value) in [&[("node-ip", "10.77.0.12"), ("node-name", "Agent1")], flags].concat() {
                values.entry(flag.to_owned()).or_default().push(value.to_owned());
            }
            Settings::from_values(Role::Agent, values, &variables)
        };
        let settings = read(&[("node-label", "a=1,b=2"), ("node-label", "c=3")]).await.unwrap();
        assert_eq!(settings.token.as_deref(), Some("by-variable"));
        assert_eq!(settings.server.as_deref(), Some("https://10.77.0.11:6443"));
        assert_eq!(settings.node_name, "agent1");
        assert_eq!(settings.all("node-label"), ["a=1", "b=2", "c=3"]);
        assert_eq!(read(&[("token", "given")]).await.unwrap().token.as_deref(), Some("given"));
    }
}
