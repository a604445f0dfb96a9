//! Inventories of the nodes of a lab, as an administrator writes them.

use std::collections::BTreeSet;

use crate::lab::Lab;
use crate::lab::node::Node;

/// A `cluster.yaml`. `further` is said about the hosts that it names: `sudo1` and `user: x`.
pub fn yaml(lab: &Lab, servers: &[&Node], agents: &[&Node], further: &[(&str, &str)]) -> String {
    let host = |node: &&Node| {
        let more =
            further.iter().filter(|(name, _)| *name == node.name()).map(|(_, more)| format!(", {more}"));
        format!("  - {{name: {}, host: {}{}}}\n", node.name(), node.address(), more.collect::<String>())
    };
    let hosts = |nodes: &[&Node]| nodes.iter().map(host).collect::<String>();
    let agents = if agents.is_empty() { String::new() } else { format!("agents:\n{}", hosts(agents)) };
    format!(
        "apiVersion: airlock/v1\nkind: Cluster\n\
         defaults: {{user: operator, identityFile: {}}}\nservers:\n{}{agents}",
        lab.ssh_key().display(),
        hosts(servers)
    )
}

/// One of Ansible: groups by name, with nodes; and what holds for all of them.
pub fn ini(lab: &Lab, groups: &[(&str, &[&Node])], variables: &[&str]) -> String {
    let key = lab.ssh_key();
    let line = |node: &&Node| {
        format!(
            "{} ansible_host={} ansible_user=operator ansible_ssh_private_key_file='{}'\n",
            node.name(),
            node.address(),
            key.display()
        )
    };
    let group = |(name, nodes): &(&str, &[&Node])| {
        let names: String = nodes.iter().map(|node| format!("{}\n", node.name())).collect();
        format!("\n[{name}]\n{names}")
    };
    let hosts: BTreeSet<String> = groups.iter().flat_map(|(_, nodes)| nodes.iter()).map(line).collect();
    let hosts = Vec::from_iter(hosts).concat();
    let groups: String = groups.iter().map(group).collect();
    format!("{hosts}{groups}\n[all:vars]\n{}\n", variables.join("\n"))
}
