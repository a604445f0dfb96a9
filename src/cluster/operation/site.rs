//! The hosts of an inventory, and whoever of the servers answers for the cluster.
//!
//! No server is special: if the first one is dead, the next one is asked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cluster::fleet::go_on;
use crate::cluster::inventory::{Host, Inventory, Role};
use crate::cluster::observe::{self, Node};
use crate::cluster::pause::{Pause, RealTime};
use crate::cluster::remote::{Answer, Connect, Remote};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// How often the cluster is looked at while something is waited for.
const INTERVAL: Duration = Duration::from_secs(2);

/// What `kubectl` and k3s say where the server cannot serve at the moment, such as without a quorum. Another one may.
const CANNOT_SERVE: [&str; 14] = [
    "connection refused",
    "Unable to connect to the server",
    "The connection to the server",
    "the server is currently unable to handle the request",
    "ServiceUnavailable",
    "Error from server (Timeout)",
    "context deadline exceeded",
    "an error on the server (",
    "the server doesn't have a resource type",
    "etcdserver:",
    "i/o timeout",
    "is not installed on this machine",
    // Its certificates, or those of its administrator, have expired.
    "x509: certificate",
    "You must be logged in to the server",
];

/// Hosts that can be reached, with a way to each.
pub struct Site<'a> {
    /// What is wanted.
    pub inventory: &'a Inventory,
    /// How often the cluster is looked at while something is waited for.
    pub interval: Duration,
    /// Lets time pass while a host restarts.
    pub pause: &'a dyn Pause,
    connect: &'a dyn Connect,
    stop: &'a AtomicBool,
    /// The server that has answered last.
    voice: Mutex<Option<String>>,
}

impl<'a> Site<'a> {
    /// The hosts of an inventory. Nothing is begun or waited for any more once `stop` is set.
    pub fn new(inventory: &'a Inventory, connect: &'a dyn Connect, stop: &'a AtomicBool) -> Site<'a> {
        Site { inventory, interval: INTERVAL, pause: &RealTime, connect, stop, voice: Mutex::new(None) }
    }

    /// Whether the user wants to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The flag behind [`Site::is_stopped`].
    pub fn stop(&self) -> &AtomicBool {
        self.stop
    }

    /// The host of this name.
    ///
    /// # Errors
    /// [`codes::NOT_A_MEMBER`].
    pub fn host(&self, name: &str) -> Result<&'a Host> {
        self.inventory.host(name).ok_or_else(|| {
            let known: Vec<&str> = self.inventory.hosts.iter().map(|host| host.name.as_str()).collect();
            Error::new(codes::NOT_A_MEMBER, format!("no host of the inventory is called `{}`", quote(name)))
                .with_detail(format!("it has {}", known.join(", ")))
                .with_help("name one of them, or add the host to the inventory")
        })
    }

    /// Somebody on a host.
    ///
    /// # Errors
    /// [`codes::INTERRUPTED`]; those of [`Connect::connect`].
    pub fn on(&self, host: &Host) -> Result<Arc<dyn Remote>> {
        go_on(self.stop)?;
        self.connect.connect(host)
    }

    /// Asks servers one after the other until one can serve, but not the one called `but`. The one that has answered
    /// last comes first. A refusal is an answer.
    ///
    /// # Errors
    /// The refusal; [`codes::CLUSTER_UNREACHABLE`] with what every server has said.
    pub fn on_a_server<T>(
        &self,
        but: Option<&str>,
        ask: impl Fn(&dyn Remote) -> Result<T>,
    ) -> Result<(&'a Host, T)> {
        let mut failures = Vec::new();
        for host in self.servers(but) {
            match self.on(host).and_then(|remote| ask(&*remote)) {
                Ok(answer) => {
                    *self.voice.lock().unwrap_or_else(PoisonError::into_inner) = Some(host.name.clone());
                    return Ok((host, answer));
                }
                Err(error) if may_another(&error) => failures.push((host, error)),
                Err(error) => return Err(error),
            }
        }
        Err(unreachable(&failures))
    }

    /// The nodes of the cluster.
    ///
    /// # Errors
    /// Those of [`Site::on_a_server`].
    pub fn nodes(&self) -> Result<Vec<Node>> {
        self.on_a_server(None, observe::nodes).map(|(_, members)| members)
    }

    /// The nodes of the cluster as others than this host see them, if any of them answers; as it sees them itself
    /// otherwise. A server that has lost its data may believe in a cluster of its own.
    ///
    /// # Errors
    /// Those of [`Site::on_a_server`].
    pub fn nodes_beside(&self, host: &str) -> Result<Vec<Node>> {
        match self.on_a_server(Some(host), observe::nodes) {
            Ok((_, nodes)) => Ok(nodes),
            Err(error) if error.code() == codes::CLUSTER_UNREACHABLE => self.nodes(),
            Err(error) => Err(error),
        }
    }

    fn servers(&self, but: Option<&str>) -> Vec<&'a Host> {
        let voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let inventory = self.inventory;
        let mut servers: Vec<&Host> =
            inventory.of_role(Role::Server).filter(|host| Some(host.name.as_str()) != but).collect();
        servers.sort_by_key(|host| voice.as_ref() != Some(&host.name));
        servers
    }
}

/// Whether a command has failed because the server cannot serve.
pub(super) fn cannot_serve(answer: &Answer) -> bool {
    answer.status != 0 && says_so(&answer.errors)
}

fn says_so(lines: &[String]) -> bool {
    lines.iter().any(|line| CANNOT_SERVE.iter().any(|text| line.contains(text)))
}

/// Whether another server may do what this one could not.
fn may_another(error: &Error) -> bool {
    match error.code() {
        // What an operation has found out about the cluster is the same on every server.
        codes::INTERRUPTED | codes::INTERNAL | codes::ETCD_REFUSED => false,
        codes::REMOTE_COMMAND => says_so(error.details()),
        // What has no answer at all: a dead link, a refused login, nonsense.
        _ => true,
    }
}

fn unreachable(failures: &[(&Host, Error)]) -> Error {
    let error = Error::new(codes::CLUSTER_UNREACHABLE, "no server of the cluster answers");
    let told = failures.iter().fold(error, |error, (host, failure)| {
        let reason = failure.details().last().filter(|_| failure.code() == codes::REMOTE_COMMAND);
        let reason = reason.map_or_else(|| failure.message().to_owned(), Clone::clone);
        error.with_detail(format!("{}: {reason}", host.name))
    });
    told.with_help(
        "`airlock cluster ping` says which hosts can be reached; `airlock cluster repair SERVER` finds out what is \
         wrong with one; most servers gone for good: `airlock cluster etcd restore`",
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::inventory::Cluster;
    use crate::cluster::inventory::tests::hosts;
    use crate::cluster::remote::tests::Scripted;

    /// Nobody wants to stop.
    pub(crate) static GO_ON: AtomicBool = AtomicBool::new(false);

    /// An inventory of so many servers, `s1`, `s2`, …, and agents, `a1`, ….
    pub(crate) fn inventory(servers: usize, agents: usize) -> Inventory {
        let names: Vec<String> = (1..=servers)
            .map(|number| format!("s{number}"))
            .chain((1..=agents).map(|number| format!("a{number}")))
            .collect();
        let mut hosts = hosts(&names.iter().map(String::as_str).collect::<Vec<_>>());
        hosts.iter_mut().take(servers).for_each(|host| host.role = Role::Server);
        let cluster = Cluster::default();
        Inventory { hosts, cluster }
    }

    /// Hosts with their answers; one that is missing cannot be reached.
    #[derive(Default)]
    pub(crate) struct Rack(pub(crate) BTreeMap<String, Arc<Scripted>>);

    impl Rack {
        /// The same with a host.
        pub(crate) fn with(mut self, name: &str, host: Scripted) -> Rack {
            self.0.insert(name.to_owned(), Arc::new(host));
            self
        }

        /// What a host was asked that changes something.
        pub(crate) fn asked(&self, name: &str) -> Vec<String> {
            let looks = ["get ", "status", "look", "settings"];
            let asked = self.0[name].asked();
            asked.into_iter().filter(|words| !looks.iter().any(|look| words.contains(look))).collect()
        }
    }

    impl Connect for Rack {
        fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
            match self.0.get(&host.name) {
                Some(found) => Ok(found.clone()),
                None => Err(Error::new(codes::REMOTE_ANSWER, format!("{} cannot be reached", host.name))),
            }
        }
    }

    #[test]
    fn the_next_server_is_asked_where_one_is_dead_or_cannot_serve() {
        let inventory = inventory(3, 0);
        let nodes = r#"{"items": [{"metadata": {"name": "s3"}}]}"#;
        let refused = "The connection to the server 127.0.0.1:6443 was refused";
        let rack = Rack::default()
            .with("s2", Scripted::default().failing("k3s kubectl", 1, refused))
            .with("s3", Scripted::default().with("k3s kubectl", nodes));
        let site = Site::new(&inventory, &rack, &GO_ON);
        assert_eq!(site.nodes().unwrap()[0].name, "s3");
        site.nodes().unwrap();
        assert_eq!(rack.0["s2"].asked().len(), 1, "who has answered is asked first");
        let error = site.on_a_server(Some("s3"), observe::nodes).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::CLUSTER_UNREACHABLE, 8));
        assert_eq!(error.details(), ["s1: s1 cannot be reached", &format!("s2: {refused}")]);
    }

    #[test]
    fn a_server_without_a_quorum_cannot_serve() {
        for said in [
            "Error from server: etcdserver: request timed out",
            "Error from server (Timeout): the server was unable to return a response in the time allotted, but may \
             still be processing the request (get nodes)",
            "Error from server (InternalError): an error on the server (\"apiserver not ready\") has prevented the \
             request from succeeding (get nodes)",
            "error: the server doesn't have a resource type \"nodes\"",
        ] {
            let inventory = inventory(1, 0);
            let rack = Rack::default().with("s1", Scripted::default().failing("k3s kubectl", 1, said));
            let error = Site::new(&inventory, &rack, &GO_ON).nodes().unwrap_err();
            assert_eq!(error.code(), codes::CLUSTER_UNREACHABLE, "{said}");
        }
    }

    #[test]
    fn a_refusal_is_an_answer() {
        let inventory = inventory(2, 0);
        let forbidden = Scripted::default().failing("k3s kubectl", 1, "Error from server (Forbidden): no");
        let rack = Rack::default().with("s1", forbidden).with("s2", Scripted::default());
        let site = Site::new(&inventory, &rack, &GO_ON);
        assert_eq!(site.nodes().unwrap_err().code(), codes::REMOTE_COMMAND);
        assert!(rack.0["s2"].asked().is_empty());
    }
}
