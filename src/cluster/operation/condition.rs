//! What is waited for: something that the cluster says about a node.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::site::Site;
use super::{Place, find, troubles_of_others};
use crate::cluster::observe::{self, Node, Part};
use crate::cluster::remote::{Command, Remote};
use crate::error::{Error, Result, codes};

/// The annotation that asks etcd to let the member of a node go …
pub const LEAVE: &str = "etcd.k3s.cattle.io/remove";
/// … and the one by which k3s says that it has.
pub const LEFT: &str = "etcd.k3s.cattle.io/removed-node-name";

/// Something that the cluster says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "until", rename_all = "camelCase")]
pub enum Condition {
    /// The node is ready.
    Ready {
        /// The node.
        node: String,
        /// The version that it runs, where that matters.
        #[serde(skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// Its member of etcd votes.
    Votes {
        /// The node.
        node: String,
    },
    /// All servers besides it are ready, and vote if they have a member of etcd.
    OthersWell {
        /// The node.
        node: String,
    },
    /// It is a member of etcd anew, and votes.
    Rejoined {
        /// The node.
        node: String,
        /// The member that it was, of which the cluster may still tell.
        was: String,
    },
    /// etcd has let its member go.
    LeftEtcd {
        /// The node.
        node: String,
    },
    /// The cluster knows neither the node nor its password any more.
    Forgotten {
        /// The node.
        node: String,
    },
}

/// How a look ended.
type Look = Result<(), String>;

impl Condition {
    /// The node is ready, whatever it runs.
    pub fn ready(node: &str) -> Condition {
        Condition::Ready { node: node.to_owned(), version: None }
    }

    /// All servers but this one are well: something may have happened since the plan was made.
    pub fn others_well(node: &str) -> Condition {
        Condition::OthersWell { node: node.to_owned() }
    }

    /// How long it may take. An etcd learner that does not catch up is dropped by k3s after five minutes.
    pub fn patience(&self) -> Duration {
        let minutes = match self {
            Condition::Ready { .. }
            | Condition::Votes { .. }
            | Condition::OthersWell { .. }
            | Condition::Rejoined { .. } => 10,
            Condition::LeftEtcd { .. } | Condition::Forgotten { .. } => 3,
        };
        Duration::from_secs(minutes * 60)
    }

    /// Waits until it holds.
    ///
    /// # Errors
    /// [`codes::CLUSTER_DEADLINE`] with what was seen last; [`codes::ETCD_REFUSED`]; [`codes::INTERRUPTED`].
    pub fn wait(&self, site: &Site<'_>, place: &Place, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            let but = if let Place::ServerBut(name) = place { Some(name.as_str()) } else { None };
            let seen = match site.on_a_server(but, |remote| self.look(remote)) {
                Ok((_, Ok(()))) => return Ok(()),
                Ok((_, Err(seen))) => seen,
                Err(error) if is_final(&error) => return Err(error),
                // A server that starts says all sorts of things; none is a reason to give up.
                Err(error) => error.details().last().map_or(error.message(), String::as_str).to_owned(),
            };
            if site.is_stopped() {
                return Err(Error::new(codes::INTERRUPTED, format!("stopped while waiting {self}")));
            }
            if Instant::now() >= end {
                return Err(self.in_vain(patience, &seen));
            }
            thread::sleep(site.interval);
        }
    }

    fn look(&self, remote: &dyn Remote) -> Result<Look> {
        let members = observe::nodes(remote)?;
        match self {
            Condition::Ready { node, version } => Ok(ready(find(&members, node), version.as_deref())),
            Condition::Votes { node } => Ok(votes(find(&members, node))),
            Condition::OthersWell { node } => {
                Ok(troubles_of_others(&members, node).next().map_or(Ok(()), Err))
            }
            Condition::Rejoined { node, was } => Ok(rejoined(find(&members, node), was)),
            Condition::LeftEtcd { node } => left(node, find(&members, node)),
            Condition::Forgotten { node } if find(&members, node).is_some() => {
                Ok(Err("the cluster still has the node".to_owned()))
            }
            Condition::Forgotten { node } => match passwords(remote)?.contains(&password(node)) {
                true => Ok(Err("its password is still there".to_owned())),
                false => Ok(Ok(())),
            },
        }
    }

    fn in_vain(&self, patience: Duration, seen: &str) -> Error {
        let message = format!("waited {} s in vain {self}", patience.as_secs());
        Error::new(codes::CLUSTER_DEADLINE, message).with_detail(format!("last seen: {seen}")).with_help(
            "`airlock cluster status` shows how the cluster is; put that right and run the same command again, it \
             goes on from here",
        )
    }
}

/// Whether waiting longer changes nothing.
fn is_final(error: &Error) -> bool {
    matches!(error.code(), codes::INTERRUPTED | codes::INTERNAL | codes::ETCD_REFUSED)
}

/// The secret with the password of a node, in `kube-system`.
pub fn password(node: &str) -> String {
    format!("{node}.node-password.k3s")
}

fn passwords(remote: &dyn Remote) -> Result<Vec<String>> {
    // Only names: what the secrets hold never leaves the server.
    let names = "jsonpath={.items[*].metadata.name}";
    let command = Command::k3s(["kubectl", "get", "secrets", "--namespace", "kube-system", "-o", names]);
    let answer = remote.run(command, &mut |_| {})?.success()?;
    Ok(answer.output.split_whitespace().map(str::to_owned).collect())
}

fn ready(member: Option<&Node>, version: Option<&str>) -> Look {
    let Some(member) = member else { return Err("the cluster does not know it".to_owned()) };
    match version {
        Some(version) if member.version != version => Err(format!("it runs {}", member.version)),
        _ => member.ready.clone(),
    }
}

fn votes(member: Option<&Node>) -> Look {
    let Some(member) = member else { return Err("the cluster does not know it".to_owned()) };
    match (&member.ready, member.part) {
        (Err(why), _) => Err(why.clone()),
        (Ok(()), Part::Voter) => Ok(()),
        (Ok(()), Part::Learner) => Err("its member of etcd is still learning".to_owned()),
        (Ok(()), Part::Server | Part::Agent) => Err("it has no member of etcd yet".to_owned()),
    }
}

/// Data that came back tell that a node is ready and votes, until it says so itself or its silence shows.
fn rejoined(member: Option<&Node>, was: &str) -> Look {
    match member.and_then(Node::member) == Some(was) {
        true => Err("it has not joined yet".to_owned()),
        false => votes(member),
    }
}

/// k3s takes the request back where etcd has refused.
fn left(node: &str, member: Option<&Node>) -> Result<Look> {
    let Some(member) = member else { return Ok(Ok(())) };
    if member.annotations.contains_key(LEFT) {
        return Ok(Ok(()));
    }
    if member.annotations.contains_key(LEAVE) {
        return Ok(Err("etcd has not answered yet".to_owned()));
    }
    let message = format!("etcd does not let the member of {node} go: too few of the others are well");
    Err(Error::new(codes::ETCD_REFUSED, message).with_help(
        "`airlock cluster etcd status` shows who votes; repair the other servers first, \
         `airlock cluster repair SERVER`",
    ))
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Ready { node, version: None } => write!(formatter, "until {node} is ready"),
            Condition::Ready { node, version: Some(version) } => {
                write!(formatter, "until {node} is ready with {version}")
            }
            Condition::Votes { node } => write!(formatter, "until {node} votes in etcd"),
            Condition::OthersWell { node } => write!(formatter, "until all servers but {node} are well"),
            Condition::Rejoined { node, .. } => write!(formatter, "until {node} votes in etcd again"),
            Condition::LeftEtcd { node } => write!(formatter, "until etcd has let {node} go"),
            Condition::Forgotten { node } => write!(formatter, "until the cluster has forgotten {node}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::samples::{agent, dead, list, server};
    use crate::cluster::operation::site::tests::{GO_ON, Rack, inventory};
    use crate::cluster::remote::tests::Scripted;

    fn wait(condition: &Condition, members: &[Node]) -> Result<()> {
        let inventory = inventory(1, 0);
        let host = Scripted::default()
            .with("k3s kubectl get nodes", &list(members))
            .with("k3s kubectl get secrets", "other.node-password.k3s s9.node-password.k3s");
        let rack = Rack::default().with("s1", host);
        let mut site = Site::new(&inventory, &rack, &GO_ON);
        site.interval = Duration::ZERO;
        condition.wait(&site, &Place::Server, Duration::ZERO)
    }

    #[test]
    fn a_node_is_ready_with_the_version_that_it_should_have() {
        let condition =
            |version: &str| Condition::Ready { node: "a".to_owned(), version: Some(version.to_owned()) };
        wait(&condition("v1.34.1+k3s1"), &[agent("a")]).unwrap();
        let error = wait(&condition("v1.35.0+k3s1"), &[agent("a")]).unwrap_err();
        assert_eq!(error.code(), codes::CLUSTER_DEADLINE);
        assert_eq!(error.details(), ["last seen: it runs v1.34.1+k3s1"]);
        let error = wait(&condition("v1.34.1+k3s1"), &[dead(agent("a"))]).unwrap_err();
        assert_eq!(error.details(), ["last seen: its kubelet gives no reason"]);
    }

    #[test]
    fn what_a_server_says_while_it_starts_is_waited_out() {
        let inventory = inventory(1, 0);
        let starting = "Error from server (Forbidden): nodes is forbidden: not yet";
        let rack = Rack::default().with("s1", Scripted::default().failing("k3s kubectl", 1, starting));
        let mut site = Site::new(&inventory, &rack, &GO_ON);
        site.interval = Duration::ZERO;
        let error = Condition::ready("a").wait(&site, &Place::Server, Duration::ZERO).unwrap_err();
        assert_eq!(error.code(), codes::CLUSTER_DEADLINE);
        assert_eq!(error.details(), [format!("last seen: {starting}")]);
    }

    #[test]
    fn a_server_waits_for_all_others_and_for_no_agent() {
        let condition = Condition::others_well("s1");
        wait(&condition, &[dead(server("s1")), server("s2"), dead(agent("a"))]).unwrap();
        let learner = Node { part: Part::Learner, ..server("s2") };
        for (other, why) in [(dead(server("s2")), "s2 is not ready"), (learner, "the datastore on s2")] {
            let error = wait(&condition, &[server("s1"), other]).unwrap_err();
            assert!(error.details()[0].starts_with(&format!("last seen: {why}")), "{error:?}");
        }
    }

    #[test]
    fn etcd_says_whether_it_has_let_somebody_go() {
        let condition = Condition::LeftEtcd { node: "s2".to_owned() };
        let with = |keys: &[&str]| {
            let mut member = server("s2");
            member.annotations = keys.iter().map(|key| ((*key).to_owned(), "s2-01".to_owned())).collect();
            member
        };
        wait(&condition, &[with(&[LEAVE, LEFT])]).unwrap();
        wait(&condition, &[]).unwrap();
        assert_eq!(wait(&condition, &[with(&[LEAVE])]).unwrap_err().code(), codes::CLUSTER_DEADLINE);
        assert_eq!(wait(&condition, &[with(&[])]).unwrap_err().code(), codes::ETCD_REFUSED);
    }

    #[test]
    fn a_node_is_forgotten_when_its_password_is_gone_too() {
        let condition = |node: &str| Condition::Forgotten { node: node.to_owned() };
        wait(&condition("a"), &[server("s1")]).unwrap();
        for (node, seen) in [("s1", "the cluster still has the node"), ("s9", "its password is still there")]
        {
            let error = wait(&condition(node), &[server("s1")]).unwrap_err();
            assert_eq!(error.details(), [format!("last seen: {seen}")]);
        }
    }
}
