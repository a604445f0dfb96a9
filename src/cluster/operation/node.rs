//! What hosts say about themselves: the answers of `airlock node …`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::site::Site;
use crate::cluster::fleet;
use crate::cluster::inventory::Host;
use crate::cluster::remote::{self, Command, Remote};
use crate::error::{Error, Result, codes};
use crate::node::recovery::Look;
use crate::node::settings::Settings;
use crate::quote::quote;

/// What every host of several has said, or why it has not, by their names.
pub type Answers<T> = BTreeMap<String, Result<T>>;

/// How a host is (`airlock node status --json`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// Whether airlock has made it a node, or has begun to.
    pub is_node: bool,
    /// Its name in the cluster.
    pub name: Option<String>,
    /// What was installed, a bundle for each channel.
    pub bundles: Vec<Installed>,
    /// The registry that it pulls from.
    pub registry: Option<Registry>,
    /// Its disk.
    pub storage: Option<Storage>,
    /// What is wrong.
    pub problems: Vec<Finding>,
    /// What may go wrong.
    pub warnings: Vec<Finding>,
}

/// A bundle that was installed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// `NAME-VERSION`, where that is known.
    pub name: Option<String>,
    /// Its channel.
    pub channel: String,
    /// Its serial.
    pub serial: u64,
    /// Digest of its manifest.
    pub manifest: String,
    /// When it was installed.
    pub at: Timestamp,
}

/// The registry that a node pulls from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Registry {
    /// Whether it answers; nothing where that is not known.
    pub answers: Option<bool>,
    /// How many names of images it has.
    pub images: Option<usize>,
}

/// Disk space, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Storage {
    /// What is free.
    pub free: u64,
    /// How large the file system is.
    pub total: u64,
}

/// Something that was found, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is.
    pub text: String,
    /// What to do.
    pub help: String,
}

impl Status {
    /// The bundle that was installed last.
    pub fn bundle(&self) -> Option<&Installed> {
        self.bundles.iter().max_by_key(|bundle| bundle.at)
    }
}

/// Asks a host how it is.
///
/// # Errors
/// Those of [`Remote::run`]; [`codes::REMOTE_ANSWER`].
pub fn status(remote: &dyn Remote) -> Result<Status> {
    let answer = remote.run(Command::airlock(["node", "status"]), &mut |_| {})?;
    // A node with problems fails, and says all the same how it is.
    answer.json().map_err(|error| if answer.status == 0 { error } else { answer.error() })
}

/// Asks a host what is wanted of it; nothing if it is no node.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn settings(remote: &dyn Remote) -> Result<Option<Settings>> {
    remote::ask(remote, Command::airlock(["node", "settings"]))
}

/// Asks a host what its k3s and its data are like.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn look(remote: &dyn Remote) -> Result<Look> {
    remote::ask(remote, Command::airlock(["node", "recover", "look"]))
}

/// Asks several hosts the same.
pub fn each<T: Send>(
    site: &Site<'_>,
    hosts: &[&Host],
    ask: impl Fn(&dyn Remote) -> Result<T> + Sync,
) -> Answers<T> {
    let concurrency = site.inventory.cluster.concurrency;
    let work = |host: &Host| site.on(host).and_then(|remote| ask(&*remote));
    let outcomes = fleet::each(hosts, concurrency, site.stop(), work);
    outcomes.0.into_iter().map(|(host, answer)| (host.name.clone(), answer)).collect()
}

/// The same for what tells which node it is about. A machine that is a node of another name is not the host that is meant:
/// nothing is done to it because of a wrong address in the inventory.
pub fn each_named<T: Named + Send>(
    site: &Site<'_>,
    hosts: &[&Host],
    ask: impl Fn(&dyn Remote) -> Result<T> + Sync,
) -> Answers<T> {
    let checked = |(host, answer): (String, Result<T>)| match &answer {
        Ok(said) => match said.node().filter(|name| *name != host).map(|name| wrong_machine(&host, name)) {
            Some(error) => (host, Err(error)),
            None => (host, answer),
        },
        Err(_) => (host, answer),
    };
    each(site, hosts, ask).into_iter().map(checked).collect()
}

fn wrong_machine(host: &str, name: &str) -> Error {
    let name = quote(name);
    let message = format!("the machine at the address of {host} is the node `{name}`");
    Error::new(codes::WRONG_HOST, message).with_help(format!(
        "put the address of {host} right in the inventory, or call the host `{name}` there if that is the one"
    ))
}

/// Something that a machine says about itself.
pub trait Named {
    /// Its name in the cluster, if it is a node and tells.
    fn node(&self) -> Option<&str>;
}

impl Named for Status {
    fn node(&self) -> Option<&str> {
        self.name.as_deref().filter(|_| self.is_node)
    }
}

impl Named for Option<Settings> {
    fn node(&self) -> Option<&str> {
        self.as_ref()?.name.as_deref()
    }
}

impl Named for Look {
    fn node(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Why a host could not be asked, on one line.
pub fn reason<T>(answers: &Answers<T>, host: &str) -> Option<String> {
    match answers.get(host) {
        Some(Err(error)) if error.code() == codes::REMOTE_COMMAND => {
            Some(error.details().last().map_or_else(|| error.message().to_owned(), Clone::clone))
        }
        Some(Err(error)) => Some(error.message().to_owned()),
        Some(Ok(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::site::tests::{GO_ON, Rack, inventory};
    use crate::cluster::remote::tests::Scripted;

    #[test]
    fn a_node_with_problems_says_how_it_is() {
        let json = r#"{"isNode": true, "name": "a", "bundles": [
            {"name": "lab-1", "channel": "lab", "serial": 1, "manifest": "sha256:00", "at": "2026-01-01T00:00:00Z"},
            {"name": "lab-2", "channel": "lab2", "serial": 2, "manifest": "sha256:01", "at": "2026-02-01T00:00:00Z"}],
            "problems": [{"text": "k3s is down", "help": "start it"}], "registry": {"answers": true, "endpoints": []}}"#;
        let found = status(&Scripted::default().with("airlock node status", json)).unwrap();
        assert_eq!((found.problems.len(), found.bundle().unwrap().serial), (1, 2));
        let silent = Scripted::default().failing("airlock node status", 1, "no such command");
        assert_eq!(status(&silent).unwrap_err().code(), codes::REMOTE_COMMAND);
    }

    #[test]
    fn a_machine_that_is_another_node_is_not_the_host() {
        let inventory = inventory(1, 2);
        let says = |json: &str| Scripted::default().with("airlock node status", json);
        let rack = Rack::default()
            .with("s1", says(r#"{"isNode": true, "name": "s1"}"#))
            .with("a1", says(r#"{"isNode": true, "name": "a2"}"#))
            .with("a2", says(r#"{"isNode": false, "name": "fresh"}"#));
        let hosts: Vec<&Host> = inventory.hosts.iter().collect();
        let answers = each_named(&Site::new(&inventory, &rack, &GO_ON), &hosts, status);
        assert!(answers["s1"].is_ok() && answers["a2"].is_ok());
        assert_eq!(answers["a1"].as_ref().unwrap_err().code(), codes::WRONG_HOST);
        assert!(reason(&answers, "a1").unwrap().contains("is the node `a2`"));
    }
}
