//! Names.

use super::super::outcome::{block, info, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::Facts;

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "N1",
        title: "name of the machine",
        severity: Severity::Block,
        threshold: "a-z, 0-9, `-` and `.` between, at most 63 characters (DNS-1123)",
        concern: Concern::All,
        examine: hostname,
        mend: None,
    },
    Check {
        id: "N3",
        title: "the machine's own name has an address",
        severity: Severity::Warn,
        threshold: "in /etc/hosts or by `myhostname`, and not an address of another machine",
        concern: Concern::All,
        examine: own_address,
        mend: None,
    },
    Check {
        id: "N4",
        title: "the machine has a name of its own",
        severity: Severity::Warn,
        threshold: "not localhost",
        concern: Concern::All,
        examine: own_name,
        mend: None,
    },
    Check {
        id: "N5",
        title: "localhost",
        severity: Severity::Warn,
        threshold: "127.0.0.1 in /etc/hosts",
        concern: Concern::All,
        examine: localhost,
        mend: None,
    },
    Check {
        id: "N10",
        title: "name servers that pods can reach",
        severity: Severity::Warn,
        threshold: "at least one, not on a loopback address",
        concern: Concern::All,
        examine: servers,
        mend: None,
    },
    Check {
        id: "N12",
        title: "search domains",
        severity: Severity::Info,
        threshold: "at most 32",
        concern: Concern::All,
        examine: search,
        mend: None,
    },
];

const UNKNOWN: &str = "the name of the machine is not known";

fn hostname(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    if let Some(name) = &circumstances.node_name {
        return passed(format!("the node is called {name}"));
    }
    let Some(name) = &facts.network.hostname else { return unknown(UNKNOWN) };
    let is_label = |label: &str| {
        let ends = [label.chars().next(), label.chars().next_back()];
        ends.iter().all(|end| end.is_some_and(|c| c != '-'))
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    // k3s makes names lower case itself.
    let lower = name.to_ascii_lowercase();
    if name.len() <= 63 && lower.split('.').all(is_label) {
        return passed(name);
    }
    let plain: String =
        lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let plain = plain.trim_matches(['-', '.']);
    let better = if plain.is_empty() { "node1" } else { &plain[..plain.len().min(63)] };
    block(name, format!("`hostnamectl set-hostname {better}`, and the same in /etc/hosts"))
}

fn own_address(facts: &Facts, _: &Circumstances) -> Outcome {
    let names = &facts.network.names;
    let Some(name) = &facts.network.hostname else { return unknown(UNKNOWN) };
    let own = |address: &String| {
        address.starts_with("127.")
            || address == "::1"
            || facts
                .network
                .interfaces
                .iter()
                .flat_map(|interface| &interface.addresses)
                .any(|subnet| subnet.address.to_string() == *address)
    };
    let foreign: Vec<&String> = names.own_name.iter().filter(|address| !own(address)).collect();
    let first = facts.network.addresses().next().map(|subnet| subnet.address.to_string());
    let address = first.unwrap_or_else(|| "127.0.1.1".to_owned());
    if !foreign.is_empty() {
        return warn(
            format!("{name} is {} in /etc/hosts, which this machine does not have", listed(foreign)),
            format!("correct the line of /etc/hosts: `{address} {name}`"),
        );
    }
    if names.own_name.is_empty() && !names.knows_own_name {
        return warn(format!("{name} has none"), format!("`echo '{address} {name}' >> /etc/hosts`"));
    }
    passed(listed(if names.own_name.is_empty() { std::slice::from_ref(name) } else { &names.own_name }))
}

fn own_name(facts: &Facts, _: &Circumstances) -> Outcome {
    let Some(name) = &facts.network.hostname else { return unknown(UNKNOWN) };
    let is_nobody =
        ["localhost", "localhost.localdomain", "(none)", "debian", "ubuntu"].contains(&name.as_str());
    match is_nobody {
        false => passed(name),
        true => warn(
            name,
            "`hostnamectl set-hostname NAME`, with a name that no other node has, and the same in /etc/hosts",
        ),
    }
}

fn localhost(facts: &Facts, _: &Circumstances) -> Outcome {
    let addresses = &facts.network.names.localhost;
    if addresses.iter().any(|address| address == "127.0.0.1") {
        return passed(listed(addresses));
    }
    warn(listed(addresses), "`echo '127.0.0.1 localhost' >> /etc/hosts`")
}

fn servers(facts: &Facts, _: &Circumstances) -> Outcome {
    let names = &facts.network.names;
    let is_reachable =
        |server: &&String| !server.starts_with("127.") && *server != "::1" && !server.starts_with("fe80:");
    let reachable: Vec<&String> =
        names.servers.iter().chain(&names.resolved_servers).filter(is_reachable).collect();
    if !reachable.is_empty() {
        return passed(listed(reachable));
    }
    warn(
        listed(&names.servers),
        "name the site's server in a file and give it to k3s: `resolv-conf: /etc/rancher/k3s/resolv.conf` in its config.yaml; without one, pods ask 8.8.8.8 and wait in vain",
    )
}

fn search(facts: &Facts, _: &Circumstances) -> Outcome {
    let domains = &facts.network.names.search;
    match domains.len() {
        0..=32 => passed(listed(domains)),
        many => {
            info(many.to_string(), "shorten the line `search` in /etc/resolv.conf: pods get no more than 32")
        }
    }
}
