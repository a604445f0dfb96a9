//! The cable between the switch and a machine: pulled out, pulled out in the middle of a transfer, slow, measured.

use serde_json::Value;

use super::Result;
use super::command::run;

/// What went through a cable since it was put in, in bytes of Ethernet frames, as the machine at its end sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Towards the machine.
    pub received: u64,
    /// From the machine.
    pub sent: u64,
}

/// The end of a cable at the switch.
pub struct Cable<'a> {
    /// The network namespace of the switch.
    namespace: &'a str,
    port: String,
}

impl Cable<'_> {
    /// The cable in this port.
    pub fn in_port(namespace: &str, port: String) -> Cable<'_> {
        Cable { namespace, port }
    }

    /// Pulls it out.
    pub fn pull(&self) -> Result<()> {
        self.ip(&["link", "set", &self.port, "down"]).map(drop)
    }

    /// Puts it back, whole and quick.
    pub fn put_back(&self) -> Result<()> {
        let table = self.table();
        if self.nft("list tables bridge")?.contains(&table) {
            self.nft(&format!("delete table bridge {table}"))?;
        }
        if self.tc(&["qdisc", "show", "dev", &self.port])?.contains("tbf") {
            self.tc(&["qdisc", "delete", "dev", &self.port, "root"])?;
        }
        self.ip(&["link", "set", &self.port, "up"]).map(drop)
    }

    /// Pulls it out when this many further bytes have gone through it, both directions together. The machine at its
    /// end still has a carrier, as behind a switch whose uplink is lost.
    pub fn pull_after(&self, bytes: u64) -> Result<()> {
        let (table, port) = (self.table(), &self.port);
        self.nft(&format!(
            "table bridge {table} {{\nquota left {{\nover {bytes} bytes\n}}\nchain through {{\n\
             type filter hook forward priority 0; policy accept;\n\
             oifname \"{port}\" quota name \"left\" drop\niifname \"{port}\" quota name \"left\" drop\n}}\n}}"
        ))
        .map(drop)
    }

    /// Lets no more than this many bytes a second through towards the machine.
    pub fn slow_down(&self, bytes_per_second: u64) -> Result<()> {
        let rate = format!("{bytes_per_second}bps");
        let shape = ["root", "tbf", "rate", &rate, "burst", "64kb", "latency", "50ms"];
        self.tc(&[&["qdisc", "replace", "dev", &self.port], &shape[..]].concat())?;
        Ok(())
    }

    /// What went through it.
    pub fn traffic(&self) -> Result<Traffic> {
        let shown = self.ip(&["-json", "-statistics", "link", "show", &self.port])?;
        let links: Value = serde_json::from_str(&shown)?;
        let bytes = |direction: &str| {
            let counted = links[0]["stats64"][direction]["bytes"].as_u64();
            counted.ok_or_else(|| format!("`ip` does not count: {shown}"))
        };
        // What the switch receives, the machine has sent.
        Ok(Traffic { received: bytes("tx")?, sent: bytes("rx")? })
    }

    fn table(&self) -> String {
        format!("cut_{}", self.port)
    }

    fn ip(&self, arguments: &[&str]) -> Result<String> {
        run("ip", &[&["-n", self.namespace], arguments].concat())
    }

    fn tc(&self, arguments: &[&str]) -> Result<String> {
        run("tc", &[&["-n", self.namespace], arguments].concat())
    }

    fn nft(&self, ruleset: &str) -> Result<String> {
        run("ip", &["netns", "exec", self.namespace, "nft", ruleset])
    }
}
