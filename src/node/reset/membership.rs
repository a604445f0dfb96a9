//! What a reset of one machine means for the cluster that it belongs to.

use std::time::Duration;

use serde_json::Value;

use crate::node::install::hosts;
use crate::node::k3s::{kubectl, paths};
use crate::node::machine::Machine;
use crate::node::settings::{self, Role, Settings};

/// How long the cluster may take to answer. It is asked for advice only.
const ANSWER: Duration = Duration::from_secs(5);

/// The label of nodes that run the control plane.
const SERVER: &str = "node-role.kubernetes.io/control-plane";

/// A node as its cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Its name.
    pub node: String,
    /// What it is.
    pub role: Role,
    /// Names of the other servers; nothing if nobody could say.
    pub other_servers: Option<Vec<String>>,
}

/// The name of the node: that of the settings, else that of the host.
pub fn name(machine: &Machine) -> String {
    let host = machine.read_text("/proc/sys/kernel/hostname").ok().flatten().unwrap_or_default();
    let settings = settings(machine).unwrap_or_default();
    hosts::node_name(&settings, &host).unwrap_or_else(|_| host.trim().to_owned())
}

fn settings(machine: &Machine) -> Option<Settings> {
    Settings::parse(&machine.read(settings::PATH).ok()??).ok()
}

impl Membership {
    /// Asks the cluster; nothing if the machine has no settings of a node any more.
    pub fn of(machine: &Machine) -> Option<Membership> {
        let role = settings(machine)?.role;
        let node = name(machine);
        let other_servers = match role {
            Role::Server => servers(machine).map(|all| all.into_iter().filter(|one| *one != node).collect()),
            Role::Agent | Role::Balancer => None,
        };
        Some(Membership { node, role, other_servers })
    }

    /// What the operator should know before.
    pub fn loss(&self, keeps_data: bool) -> Option<String> {
        let node = &self.node;
        let loss = "with it goes the cluster with all its data";
        match (self.role, self.other_servers.as_deref()) {
            (Role::Agent | Role::Balancer, _) | (_, Some([_, ..])) => None,
            _ if keeps_data => None,
            (Role::Server, Some([])) => Some(format!("{node} is the only server: {loss}")),
            (Role::Server, None) => Some(format!("if {node} is the last server, {loss}")),
        }
    }

    /// What is to be done afterwards: a cluster goes on listing a node until it is told.
    pub fn farewell(&self) -> Option<String> {
        let place = match (self.role, self.other_servers.as_deref()) {
            (Role::Agent, _) => "a server",
            (Role::Balancer, _) => return None,
            (Role::Server, Some([])) => return None,
            (Role::Server, Some([other, ..])) => other,
            (Role::Server, None) => "another server, if there is one",
        };
        let node = &self.node;
        Some(format!("the cluster still lists {node}; on {place}: `sudo k3s kubectl delete node {node}`"))
    }
}

fn servers(machine: &Machine) -> Option<Vec<String>> {
    if kubectl::is_to_be_left(machine, paths::KUBECONFIG).unwrap_or(true) {
        return None;
    }
    let call = kubectl::admin(["get", "nodes", "--selector", SERVER, "--output", "json"]).within(ANSWER);
    let finished = machine.run(&call).ok().filter(|finished| finished.is_well())?;
    names(&finished.output)
}

/// The names in a list as `kubectl --output json` prints it.
fn names(json: &str) -> Option<Vec<String>> {
    let list: Value = serde_json::from_str(json).ok()?;
    let name = |item: &Value| item["metadata"]["name"].as_str().map(str::to_owned);
    list["items"].as_array()?.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(role: Role, other_servers: Option<&[&str]>) -> Membership {
        let other_servers = other_servers.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        Membership { node: "gpu1".to_owned(), role, other_servers }
    }

    #[test]
    fn the_operator_is_told_what_the_cluster_loses() {
        let loss = |others, keeps| member(Role::Server, others).loss(keeps);
        assert_eq!(member(Role::Agent, None).loss(false), None);
        assert_eq!(loss(Some(&["gpu2"]), false), None);
        assert!(loss(Some(&[]), false).unwrap().starts_with("gpu1 is the only server"));
        assert!(loss(None, false).unwrap().starts_with("if gpu1 is the last server"));
        assert_eq!((loss(Some(&[]), true), loss(None, true)), (None, None));
    }

    #[test]
    fn the_operator_is_told_where_the_node_is_still_listed() {
        let farewell = |role, others| member(role, others).farewell();
        let text = farewell(Role::Server, Some(&["gpu2"])).unwrap();
        assert!(text.ends_with("on gpu2: `sudo k3s kubectl delete node gpu1`"), "{text}");
        assert!(farewell(Role::Agent, None).unwrap().contains("on a server"));
        assert_eq!(farewell(Role::Server, Some(&[])), None);
        assert!(farewell(Role::Server, None).unwrap().contains("if there is one"));
    }

    #[test]
    fn names_are_those_of_the_list_and_anything_else_is_unknown() {
        let list = r#"{"items": [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]}"#;
        assert_eq!(names(list).unwrap(), ["a", "b"]);
        for text in ["", "{}", r#"{"items": [{}]}"#, "Unable to connect"] {
            assert_eq!(names(text), None, "{text}");
        }
    }
}
