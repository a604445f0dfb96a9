//! Ports that k3s and the registry need.

use super::super::outcome::{block, listed, passed};
use super::super::{Check, Circumstances, Concern, Outcome, Role, Severity};
use crate::node::facts::{Facts, Listener, Protocol};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "W6",
        title: "ports",
        severity: Severity::Block,
        threshold: "those of k3s and of the registry are free, or in use by our own",
        concern: Concern::All,
        examine: |facts, circumstances| free(facts, circumstances, Protocol::Tcp, &tcp(circumstances)),
        mend: None,
    },
    Check {
        id: "W7",
        title: "port of the network of pods",
        severity: Severity::Block,
        threshold: "8472/udp is free, or in use by our own",
        concern: Concern::All,
        examine: |facts, circumstances| free(facts, circumstances, Protocol::Udp, &[8472]),
        mend: None,
    },
];

/// Ports of every node: kubelet, kube-proxy, the balancer of k3s, containerd's streams.
const EVERY_NODE: [u16; 6] = [6444, 10010, 10248, 10249, 10250, 10256];
/// Further ports of servers: API, etcd, controllers.
const SERVERS: [u16; 8] = [2379, 2380, 2381, 2382, 6443, 10257, 10258, 10259];
/// Processes of ours, as the kernel names them.
const OURS: [&str; 6] = ["airlock", "containerd", "haproxy", "k3s", "k3s-agent", "k3s-server"];

fn tcp(circumstances: &Circumstances) -> Vec<u16> {
    let servers = if circumstances.role == Role::Server { &SERVERS[..] } else { &[] };
    let every_node = if circumstances.role == Role::Balancer { &[] } else { &EVERY_NODE[..] };
    [servers, every_node, circumstances.registry_port.as_slice(), &circumstances.balancer_ports].concat()
}

fn free(facts: &Facts, circumstances: &Circumstances, protocol: Protocol, ports: &[u16]) -> Outcome {
    let wanted = |listener: &&Listener| listener.protocol == protocol && ports.contains(&listener.port);
    let taken = facts.network.listeners.iter().filter(wanted);
    let taken: Vec<&Listener> = taken.filter(|listener| !is_ours(facts, circumstances, listener)).collect();
    let Some(first) = taken.first() else { return passed("free, or our own") };
    let mut names: Vec<String> = taken
        .iter()
        .map(|listener| match &listener.process {
            Some(process) => format!("{} by {process}", listener.port),
            None => listener.port.to_string(),
        })
        .collect();
    names.dedup();
    let letter = if protocol == Protocol::Tcp { 't' } else { 'u' };
    block(
        listed(names),
        format!(
            "`ss -{letter}lnp 'sport = :{}'` shows who listens; stop that service, or move it to another port",
            first.port
        ),
    )
}

/// What an earlier run of ours has started is no obstacle. Who is not root does not learn whose a port is, but knows
/// whether an installation of ours has begun. The vxlan of the kernel belongs to no process.
fn is_ours(facts: &Facts, circumstances: &Circumstances, listener: &Listener) -> bool {
    let is_registry = circumstances.registry_port == Some(listener.port);
    match listener.process.as_deref() {
        Some("airlock") => is_registry || facts.previous.ours,
        // The socket of our registry is opened by systemd.
        Some("systemd") => is_registry && facts.previous.ours,
        Some(process) => facts.previous.ours && OURS.contains(&process),
        None => facts.previous.ours,
    }
}
