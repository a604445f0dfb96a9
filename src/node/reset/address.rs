//! The virtual address goes from this node: whoever held it is stopped by then, and may have had no time to give it up.

use std::net::IpAddr;

use serde::Deserialize;

use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// The step that takes it off the interfaces.
pub(super) struct Address {
    pub(super) address: IpAddr,
}

/// What `ip -json address show` says of an interface; an empty object where none of its addresses was asked for.
#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    addr_info: Vec<Own>,
}

/// An address of it.
#[derive(Deserialize)]
struct Own {
    local: IpAddr,
    prefixlen: u8,
}

impl Address {
    /// Interfaces that have it, with the length of the prefix there. Without `ip` nobody has put it anywhere.
    fn places(&self, machine: &Machine) -> Result<Vec<(String, u8)>> {
        let show = Call::new("ip").with(["-json", "address", "show", "to", &self.address.to_string()]);
        let finished = match machine.run_well(&show) {
            Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => return Ok(Vec::new()),
            finished => finished?,
        };
        places(&finished.output, self.address)
    }
}

fn places(json: &str, address: IpAddr) -> Result<Vec<(String, u8)>> {
    let shown: Vec<Shown> = serde_json::from_str(json).map_err(|error| {
        Error::new(codes::NODE_PROGRAM, "`ip -json address show` printed something else than JSON")
            .with_help("see what it prints, and that it is the one of iproute2")
            .with_source(error)
    })?;
    let own = shown.into_iter().flat_map(|shown| {
        let of = shown.ifname;
        shown.addr_info.into_iter().map(move |own| (of.clone(), own))
    });
    Ok(own.filter(|(_, own)| own.local == address).map(|(name, own)| (name, own.prefixlen)).collect())
}

impl Step for Address {
    fn name(&self) -> &'static str {
        names::RESET_ADDRESS
    }

    fn title(&self) -> String {
        "Give up the virtual address".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let address = self.address.to_string();
        let change = |(interface, _)| {
            Change::new(Verb::Remove, &address).with_detail(format!("address of {interface}"))
        };
        Ok(self.places(machine)?.into_iter().map(change).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for (interface, prefix) in self.places(work.machine())? {
            let address = format!("{}/{prefix}", self.address);
            work.run(Call::new("ip").with(["address", "delete", &address, "dev", &interface]))?;
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_have_it_are_found() {
        let json = r#"[{},{"ifname":"eth1","addr_info":[{"local":"10.0.0.100","prefixlen":24,"scope":"global"},
            {"local":"fe80::1","prefixlen":64}]},{}]"#;
        let address = "10.0.0.100".parse().unwrap();
        assert_eq!(places(json, address).unwrap(), [("eth1".to_owned(), 24)]);
        assert_eq!(places("[]", address).unwrap(), []);
        assert!(places("<html>", address).is_err());
    }
}
