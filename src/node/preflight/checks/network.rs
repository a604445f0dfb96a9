//! Addresses, routes, firewalls, proxies.

use super::super::mend::Mending;
use super::super::outcome::{block, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, Outcome, Severity};
use crate::node::facts::{Facts, Manager, ModuleState, Subnet};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "W1",
        title: "default route",
        severity: Severity::Block,
        threshold: "there is one, even if it leads nowhere",
        concern: Concern::All,
        examine: default_route,
        mend: Some(|facts, _| match facts.network.default_routes().next() {
            Some(_) => Vec::new(),
            None => dummy_route(facts),
        }),
    },
    Check {
        id: "W2",
        title: "address",
        severity: Severity::Block,
        threshold: "an interface with an address that others can reach",
        concern: Concern::All,
        examine: address,
        mend: None,
    },
    Check {
        id: "W3",
        title: "address stays",
        severity: Severity::Warn,
        threshold: "not leased by DHCP",
        concern: Concern::All,
        examine: leased,
        mend: None,
    },
    Check {
        id: "W4",
        title: "networks of pods and services",
        severity: Severity::Block,
        threshold: "overlap neither each other nor a network or route of this machine; pods at least a /16",
        concern: Concern::All,
        examine: overlaps,
        mend: None,
    },
    Check {
        id: "W14",
        title: "firewall",
        severity: Severity::Warn,
        threshold: "off, or the ports of the cluster open",
        concern: Concern::All,
        examine: firewall,
        mend: None,
    },
    Check {
        id: "W15",
        title: "iptables",
        severity: Severity::Block,
        threshold: "not 1.8.0 to 1.8.4",
        concern: Concern::All,
        examine: iptables,
        mend: None,
    },
    Check {
        id: "W16",
        title: "proxies",
        severity: Severity::Block,
        threshold: "none, or not for addresses of nodes, pods and services",
        concern: Concern::All,
        examine: proxies,
        mend: None,
    },
    Check {
        id: "W18",
        title: "interfaces of pods are left alone",
        severity: Severity::Warn,
        threshold: "NetworkManager and systemd-networkd do not manage cni0, flannel and veth",
        concern: Concern::All,
        examine: manager,
        mend: None,
    },
];

fn default_route(facts: &Facts, _: &Circumstances) -> Outcome {
    let mut interfaces: Vec<&str> =
        facts.network.default_routes().map(|route| route.interface.as_str()).collect();
    interfaces.dedup();
    if !interfaces.is_empty() {
        return passed(listed(interfaces));
    }
    let by_hand = "add a gateway to the configuration of the interface; it need not answer";
    block(
        "none",
        match dummy_route(facts).is_empty() {
            false => format!("`airlock node preflight --fix` adds one that leads nowhere; or {by_hand}"),
            true => by_hand.to_owned(),
        },
    )
}

/// k3s only wants that there is a route; packets that take it may be lost.
fn dummy_route(facts: &Facts) -> Vec<Mending> {
    // Every kernel that k3s runs on has bridges.
    let link = match facts.kernel.modules.get("dummy") {
        Some(ModuleState::Absent) => "bridge",
        _ => "dummy",
    };
    let ip = facts.programs.get("ip");
    ip.map(|ip| Mending::DefaultRoute { ip: ip.clone(), link }).into_iter().collect()
}

fn address(facts: &Facts, _: &Circumstances) -> Outcome {
    let addresses: Vec<String> = facts.network.addresses().map(ToString::to_string).collect();
    match addresses.is_empty() {
        false => passed(listed(addresses)),
        true => block(
            "none",
            "give an interface a fixed address: `ip address add ADDRESS/24 dev INTERFACE`, and the same in the network configuration of the system",
        ),
    }
}

fn leased(facts: &Facts, _: &Circumstances) -> Outcome {
    let leased =
        facts.network.interfaces.iter().filter(|interface| interface.dhcp && !interface.is_of_pods());
    let leased: Vec<&str> = leased.map(|interface| interface.name.as_str()).collect();
    match leased.is_empty() {
        true => passed("fixed"),
        false => warn(
            format!("leased: {}", listed(leased)),
            "give the interface a fixed address, or reserve this one for its hardware address on the DHCP server: a node whose address changes is lost",
        ),
    }
}

fn overlaps(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let (pods, services) = (circumstances.pod_network, circumstances.service_network);
    let remedy = "choose other networks: `--pod-network` and `--service-network`";
    if pods.overlaps(&services) {
        return block(format!("{pods} and {services} overlap"), remedy);
    }
    let outside = facts.network.interfaces.iter().filter(|interface| !interface.is_of_pods());
    let own =
        outside.flat_map(|interface| interface.addresses.iter().map(move |subnet| (subnet, &interface.name)));
    let routes = facts.network.routes.iter().map(|route| (&route.destination, &route.interface));
    let is_of_pods = |name: &str| ["cni", "flannel", "veth"].iter().any(|prefix| name.starts_with(prefix));
    let taken = own.chain(routes).filter(|(subnet, name)| subnet.prefix > 0 && !is_of_pods(name));
    let clash = |(subnet, name): (&Subnet, &String)| {
        let wanted = [pods, services].into_iter().find(|wanted| wanted.overlaps(subnet))?;
        Some(format!("{wanted} overlaps {subnet} on {name}"))
    };
    if let Some(clash) = taken.into_iter().find_map(clash) {
        return block(clash, remedy);
    }
    if pods.address.is_ipv4() && pods.prefix > 16 {
        return warn(
            pods.to_string(),
            "each node takes a /24 of the network of pods: a /16 is enough for 255 nodes",
        );
    }
    passed(format!("{pods}, {services}"))
}

fn firewall(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let (pods, services) = (circumstances.pod_network, circumstances.service_network);
    let firewall = &facts.network.firewall;
    let ports = match circumstances.registry_port {
        Some(registry) => format!("6443,10250,{registry}"),
        None => "6443,10250".to_owned(),
    };
    match (firewall.ufw, firewall.firewalld, firewall.nftables_service) {
        (true, ..) => warn(
            "ufw is on",
            format!(
                "`ufw disable`; or `ufw allow {ports}/tcp; ufw allow 8472/udp; ufw allow from {pods}; ufw allow from {services}`, between servers 2379:2380/tcp too"
            ),
        ),
        (_, true, _) => warn(
            "firewalld is on",
            format!(
                "`systemctl disable --now firewalld`; or `firewall-cmd --permanent --add-port={{{ports}}}/tcp --add-port=8472/udp`, `firewall-cmd --permanent --zone=trusted --add-source={pods} --add-source={services}`, `firewall-cmd --reload`, between servers 2379-2380/tcp too"
            ),
        ),
        (_, _, true) => warn(
            "nftables.service loads rules at the start",
            format!(
                "see that /etc/nftables.conf lets in {ports}/tcp, 8472/udp, and everything from {pods} and {services}, and has no `flush ruleset` that is loaded again while k3s runs"
            ),
        ),
        _ => passed("none"),
    }
}

/// The version by the package; the program is not asked, as it would load modules.
fn iptables(facts: &Facts, _: &Circumstances) -> Outcome {
    let Some(version) = facts.packages.versions.get("iptables") else {
        let is_known =
            facts.packages.manager == Some(Manager::Dpkg) || !facts.programs.contains_key("iptables");
        return match is_known {
            true => passed("not installed; k3s brings its own"),
            false => unknown("its version is not known"),
        };
    };
    let upstream = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    let upstream = upstream.split(['-', '+', '~']).next().unwrap_or_default();
    let is_bad = ["1.8.0", "1.8.1", "1.8.2", "1.8.3", "1.8.4"].contains(&upstream);
    match is_bad {
        false => passed(version),
        true => block(
            version,
            "write `prefer-bundled-bin: true` into the config.yaml of k3s, and then lower W15 in the policy; or install a newer iptables",
        ),
    }
}

fn proxies(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let settings = &facts.network.proxies;
    let proxy = settings.iter().find(|setting| {
        setting.variable.ends_with("HTTP_PROXY") || setting.variable.ends_with("HTTPS_PROXY")
    });
    let Some(proxy) = proxy else { return passed("none") };
    let excepted: Vec<&str> = settings
        .iter()
        .filter(|setting| setting.variable.ends_with("NO_PROXY"))
        .flat_map(|setting| setting.value.split(',').map(str::trim))
        .collect();
    let own = facts
        .network
        .addresses()
        .map(|subnet| Subnet { prefix: if subnet.address.is_ipv4() { 32 } else { 128 }, ..*subnet });
    let needed = own.take(1).chain([circumstances.pod_network, circumstances.service_network]);
    let missing: Vec<String> = needed
        .filter(|wanted| !excepted.iter().any(|word| covers(word, wanted)))
        .map(|subnet| shown(&subnet))
        .collect();
    if missing.is_empty() {
        return passed(format!("{}, with exceptions", proxy.file));
    }
    let all: Vec<String> =
        excepted.iter().map(|word| (*word).to_owned()).chain(missing.iter().cloned()).collect();
    block(
        format!("{} in {}, also for {}", proxy.variable, proxy.file, listed(&missing)),
        format!(
            "delete it, or write `NO_PROXY={},.svc,.cluster.local` beside it in {}",
            all.join(","),
            proxy.file
        ),
    )
}

fn shown(subnet: &Subnet) -> String {
    match (subnet.address.is_ipv4(), subnet.prefix) {
        (true, 32) | (false, 128) => subnet.address.to_string(),
        _ => subnet.to_string(),
    }
}

/// Whether an exception covers a whole network.
fn covers(exception: &str, wanted: &Subnet) -> bool {
    if exception == "*" {
        return true;
    }
    let subnet = exception.parse::<Subnet>().ok().or_else(|| {
        let address: std::net::IpAddr = exception.parse().ok()?;
        Some(Subnet { address, prefix: if address.is_ipv4() { 32 } else { 128 } })
    });
    subnet.is_some_and(|subnet| subnet.prefix <= wanted.prefix && subnet.overlaps(wanted))
}

fn manager(facts: &Facts, _: &Circumstances) -> Outcome {
    match facts.network.meddling_manager.as_deref() {
        None => passed("they are"),
        Some("NetworkManager") => warn(
            "NetworkManager manages all interfaces",
            "`printf '[keyfile]\\nunmanaged-devices=interface-name:cni*;interface-name:flannel*;interface-name:veth*\\n' > /etc/NetworkManager/conf.d/90-cluster.conf && systemctl reload NetworkManager`",
        ),
        Some(other) => warn(
            format!("{other} has settings for all interfaces"),
            "write the name of the interface instead of `Name=*` in /etc/systemd/network",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_cover_what_lies_within_them() {
        let wanted: Subnet = "10.42.0.0/16".parse().unwrap();
        for (exception, expected) in [
            ("10.0.0.0/8", true),
            ("*", true),
            ("10.42.0.0/24", false),
            ("localhost", false),
            ("10.42.0.0", false),
        ] {
            assert_eq!(covers(exception, &wanted), expected, "{exception}");
        }
        assert!(covers("192.0.2.2", &"192.0.2.2/32".parse().unwrap()));
    }
}
