//! The state of a cluster as a table, with what is wrong below.

use crate::cluster::observe::Gpus;
use crate::cluster::operation::status::{ClusterStatus, Etcd, Finding, NodeStatus};
use crate::ui::human;
use crate::ui::table::{Align, Table};
use crate::ui::text::escape;

/// One screen.
pub(super) fn render(status: &ClusterStatus) -> String {
    let mut table = Table::new([
        ("NODE", Align::Left),
        ("ROLE", Align::Left),
        ("STATE", Align::Left),
        ("ETCD", Align::Left),
        ("GPUS", Align::Left),
        ("K3S", Align::Left),
        ("BUNDLE", Align::Left),
        ("REGISTRY", Align::Left),
        ("FREE", Align::Right),
        ("CERTIFICATES", Align::Left),
    ]);
    for node in &status.nodes {
        table.row([
            &node.name,
            node.role,
            &state(node),
            node.votes.map_or("", |votes| if votes { "votes" } else { "learns" }),
            &node.gpus.map(gpus).unwrap_or_default(),
            node.version.as_deref().unwrap_or_default(),
            &bundle(node),
            &registry(node),
            &node.free.map(human::size).unwrap_or_default(),
            &node.certificates_until.map(|until| until.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
        ]);
    }
    let etcd = status.etcd.as_ref().map(etcd).unwrap_or_default();
    table.render() + &etcd + &findings("problem", &status.problems) + &findings("warning", &status.warnings)
}

fn state(node: &NodeStatus) -> String {
    let state = match (node.is_member, node.ready) {
        (_, Some(true)) => "ready",
        (_, Some(false)) => "not ready",
        (_, None) if node.role == "balancer" => "",
        (None, None) => "unknown",
        (Some(_), None) => "not in the cluster",
    };
    if node.is_cordoned { format!("{state}, cordoned") } else { state.to_owned() }
}

fn gpus(Gpus { present, usable }: Gpus) -> String {
    if usable == present { present.to_string() } else { format!("{usable} of {present}") }
}

fn bundle(node: &NodeStatus) -> String {
    match (&node.bundle, node.serial) {
        (Some(name), Some(serial)) => format!("{name} ({serial})"),
        (None, Some(serial)) => format!("serial {serial}"),
        (_, None) => String::new(),
    }
}

fn registry(node: &NodeStatus) -> String {
    match (node.registry, node.images) {
        (Some(true), Some(images)) => human::count(images as u64, "image"),
        (Some(true), None) => "answers".to_owned(),
        (Some(false), _) => "silent".to_owned(),
        (None, _) => String::new(),
    }
}

fn etcd(etcd: &Etcd) -> String {
    let Etcd { voters, quorum } = etcd;
    format!("\netcd: {} of {} servers are well, {quorum} are needed\n", voters.well.len(), voters.count())
}

fn findings(word: &str, findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let node = finding.node.as_ref().map(|node| format!("{}: ", escape(node))).unwrap_or_default();
        format!("{word}: {node}{}\n  help: {}\n", escape(&finding.text), escape(&finding.help))
    };
    findings.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::operation::voters::Voters;

    fn node(name: &str) -> NodeStatus {
        NodeStatus {
            name: name.to_owned(),
            role: "server",
            is_member: Some(true),
            ready: Some(true),
            is_cordoned: false,
            votes: Some(true),
            version: Some("v1.35.0+k3s1".to_owned()),
            gpus: None,
            bundle: Some("lab-2".to_owned()),
            serial: Some(12),
            registry: Some(true),
            images: Some(42),
            free: Some(80 << 30),
            total: Some(100 << 30),
            certificates_until: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            silent: None,
        }
    }

    #[test]
    fn a_node_a_line_and_what_is_wrong_below() {
        let agent =
            NodeStatus { role: "agent", votes: None, ready: Some(false), is_cordoned: true, ..node("a1") };
        let agent = NodeStatus { gpus: Some(Gpus { present: 8, usable: 7 }), ..agent };
        let new = NodeStatus {
            is_member: Some(false),
            ready: None,
            version: None,
            gpus: None,
            bundle: None,
            serial: None,
            registry: None,
            free: None,
            certificates_until: None,
            ..agent.clone()
        };
        let new = NodeStatus { name: "a2".to_owned(), is_cordoned: false, ..new };
        let untold = NodeStatus { name: "a3".to_owned(), is_member: None, ..new.clone() };
        let problem = Finding {
            node: Some("a1".to_owned()),
            text: "it is\u{1b}[2J off".to_owned(),
            help: "start it".to_owned(),
        };
        let voters = Voters { well: vec!["s1".to_owned()], lost: Vec::new() };
        let status = ClusterStatus {
            nodes: vec![node("s1"), agent, new, untold],
            etcd: Some(Etcd { voters, quorum: 1 }),
            problems: vec![problem],
            warnings: Vec::new(),
        };
        insta::assert_snapshot!(render(&status), @r"
        NODE  ROLE    STATE                ETCD   GPUS    K3S           BUNDLE      REGISTRY       FREE  CERTIFICATES
        s1    server  ready                votes          v1.35.0+k3s1  lab-2 (12)  42 images  80.0 GiB  2027-01-01
        a1    agent   not ready, cordoned         7 of 8  v1.35.0+k3s1  lab-2 (12)  42 images  80.0 GiB  2027-01-01
        a2    agent   not in the cluster
        a3    agent   unknown

        etcd: 1 of 1 servers are well, 1 are needed
        problem: a1: it is\u{1b}[2J off
          help: start it
        ");
    }
}
