//! The bridge of a lab and, where the lab has one, its router: each in a network namespace of its own.

use super::cable::Cable;
use super::command::run;
use super::gap::Gap;
use super::network;
use super::node::Node;
use super::{Result, command};

/// The name of the bridge inside its namespace.
const BRIDGE: &str = "lab0";
/// The name of the port of the router on the bridge.
const ROUTER_PORT: &str = "router";
/// The name of the port of the machine of an administrator.
pub const PROVISIONER_PORT: &str = "provisioner";

/// The bridge of one lab.
pub struct Switch {
    namespace: String,
    router: String,
    provisioner: String,
}

impl Switch {
    /// The bridge of the lab with this name, whether it exists or not.
    pub fn of_lab(lab: &str) -> Switch {
        let name = |what: &str| format!("airlock-{lab}-{what}");
        Switch { namespace: name("switch"), router: name("router"), provisioner: name("provisioner") }
    }

    /// The network namespace that the bridge is in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Makes the bridge, and the router of `gap`. Nothing happens if they are there.
    pub fn up(&self, gap: Gap) -> Result<()> {
        if namespace_exists(&self.namespace) {
            return Ok(());
        }
        add_namespace(&self.namespace)?;
        self.ip(&["link", "add", BRIDGE, "type", "bridge"])?;
        self.ip(&["link", "set", BRIDGE, "up"])?;
        match gap.route() {
            Some(route) => self.add_router(route),
            None => Ok(()),
        }
    }

    // A route that refuses or swallows does what a firewall would do, and needs no module of the kernel.
    fn add_router(&self, route: &str) -> Result<()> {
        add_namespace(&self.router)?;
        self.add_port(ROUTER_PORT, &self.router)?;
        set_address(&self.router, &network::with_prefix(network::address(network::ROUTER)))?;
        run("ip", &["-n", &self.router, "route", "add", route, "default"])?;
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run("ip", &["netns", "exec", &self.router, "sh", "-c", forward])?;
        Ok(())
    }

    /// Gives a node its namespace, its `eth0` and its address.
    pub fn connect(&self, node: &Node, gap: Gap) -> Result<()> {
        add_namespace(node.namespace())?;
        self.add_port(&port(node), node.namespace())?;
        set_address(node.namespace(), &network::with_prefix(node.address()))?;
        if gap.route().is_some() {
            let router = network::address(network::ROUTER).to_string();
            run("ip", &["-n", node.namespace(), "route", "add", "default", "via", &router])?;
        }
        Ok(())
    }

    fn add_port(&self, port: &str, namespace: &str) -> Result<()> {
        self.ip(&["link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace])?;
        self.ip(&["link", "set", port, "master", BRIDGE, "up"])
    }

    /// Gives the machine of an administrator its namespace and its address, if it has none.
    pub fn connect_provisioner(&self) -> Result<()> {
        if namespace_exists(&self.provisioner) {
            return Ok(());
        }
        add_namespace(&self.provisioner)?;
        self.add_port(PROVISIONER_PORT, &self.provisioner)?;
        set_address(&self.provisioner, &network::with_prefix(network::address(network::PROVISIONER)))
    }

    /// The network namespace of the machine of an administrator.
    pub fn provisioner(&self) -> &str {
        &self.provisioner
    }

    /// The cable of a node.
    pub fn cable(&self, node: &Node) -> Cable<'_> {
        Cable::in_port(&self.namespace, port(node))
    }

    /// Takes the namespace of a node away, and with it both ends of its cable.
    pub fn disconnect(&self, node: &Node) -> Result<()> {
        delete_namespace(node.namespace())
    }

    /// Takes the bridge away, and what is on it beside nodes.
    pub fn down(&self) -> Result<()> {
        delete_namespace(&self.provisioner)?;
        delete_namespace(&self.router)?;
        delete_namespace(&self.namespace)
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        run("ip", &[&["-n", self.namespace.as_str()], arguments].concat()).map(drop)
    }
}

// The last part of the address is unique and short: names of interfaces have at most 15 bytes.
fn port(node: &Node) -> String {
    format!("port{}", node.address().octets()[3])
}

fn set_address(namespace: &str, address: &str) -> Result<()> {
    run("ip", &["-n", namespace, "address", "add", address, "dev", "eth0"])?;
    for interface in ["lo", "eth0"] {
        run("ip", &["-n", namespace, "link", "set", interface, "up"])?;
    }
    Ok(())
}

fn namespace_exists(namespace: &str) -> bool {
    command::command("ip", &["netns", "pids", namespace]).output().is_ok_and(|output| output.status.success())
}

fn add_namespace(namespace: &str) -> Result<()> {
    run("ip", &["netns", "add", namespace]).map(drop)
}

fn delete_namespace(namespace: &str) -> Result<()> {
    if namespace_exists(namespace) {
        run("ip", &["netns", "delete", namespace])?;
    }
    Ok(())
}
