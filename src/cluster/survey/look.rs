//! One host, looked at: what it is, what it is already, and what its clock says.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cluster::remote::{self, Command, Remote};
use crate::error::{Result, codes};
use crate::node::facts;
use crate::node::lock::Holder;
use crate::node::reach::Reach;
use crate::node::settings::Role;
use crate::oci::digest::Digest;

/// What a host is.
#[derive(Clone, Debug)]
pub struct Look {
    /// What it is made of.
    pub facts: Facts,
    /// What it is as a node.
    pub status: Status,
    /// Its clock.
    pub clock: Clock,
    /// The boot that it is in.
    pub boot: String,
}

/// What matters here of `airlock node facts --json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Names and identity.
    pub machine: facts::Machine,
    /// Interfaces and routes.
    pub network: facts::Network,
    /// The distribution.
    #[serde(default)]
    pub os: facts::OperatingSystem,
}

/// What matters here of `airlock node status --json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Whether airlock has made it a node, or has begun to.
    pub is_node: bool,
    /// What it should be.
    pub identity: Option<Identity>,
    /// What was installed.
    #[serde(default)]
    pub bundles: Vec<Installed>,
    /// The command that is changing it now.
    pub running: Option<Holder>,
}

impl Status {
    /// Whether an installation came to its end here once. What an interrupted one has left is no member of anything.
    pub fn is_member(&self) -> bool {
        self.is_node && !self.bundles.is_empty()
    }
}

/// What a node should be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// Server or agent.
    pub role: Role,
    /// The server that it has joined; nothing if it has founded the cluster.
    pub joined: Option<String>,
}

/// A bundle that was installed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Installed {
    /// `NAME-VERSION`, if its manifest is in the store.
    pub name: Option<String>,
    /// Its channel.
    pub channel: String,
    /// Its serial.
    pub serial: u64,
    /// Its identity.
    pub manifest: Digest,
}

/// How a clock differs from ours, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far it is ahead of ours; negative if it is behind.
    pub ahead: i64,
    /// How wrong that may be: half of the time that the question took.
    pub uncertainty: i64,
}

/// Looks at a host.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn look(remote: &dyn Remote) -> Result<Look> {
    let (reach, clock) = clock(remote)?;
    let facts = remote::ask(remote, Command::airlock(["node", "facts"]))?;
    Ok(Look { facts, status: status(remote)?, clock, boot: reach.boot })
}

/// What it is as a node. It says so even if something is wrong with it, and then ends with an error.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn status(remote: &dyn Remote) -> Result<Status> {
    let answer = remote.run(Command::airlock(["node", "status"]), &mut |_| {})?;
    match answer.status {
        0 => answer.json(),
        _ if answer.error().code() == codes::NODE_UNHEALTHY => answer.json(),
        _ => answer.success()?.json(),
    }
}

/// The identity of the boot that a host is in.
///
/// # Errors
/// Those of [`remote::ask`].
pub fn boot(remote: &dyn Remote) -> Result<String> {
    let reach: Reach = remote::ask(remote, Command::airlock(["node", "reach"]).within(BOOT))?;
    Ok(reach.boot)
}

/// How long the question for the boot may take.
const BOOT: Duration = Duration::from_secs(20);

fn clock(remote: &dyn Remote) -> Result<(Reach, Clock)> {
    let asked = Timestamp::now();
    let reach: Reach = remote::ask(remote, Command::airlock(["node", "reach"]))?;
    let clock = Clock::of(asked, reach.now, Timestamp::now());
    Ok((reach, clock))
}

impl Clock {
    /// From the time when it was asked, what it said, and the time when that arrived.
    pub fn of(asked: Timestamp, said: Timestamp, answered: Timestamp) -> Clock {
        let took = answered.as_millisecond() - asked.as_millisecond();
        let middle = asked.as_millisecond() + took / 2;
        Clock { ahead: said.as_millisecond() - middle, uncertainty: took / 2 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cluster::remote::tests::Scripted;

    /// What hosts answer that are no nodes yet.
    pub(crate) fn bare() -> Scripted {
        Scripted::default()
            .with(
                "airlock node reach",
                r#"{"now": "2026-05-04T12:00:00Z", "boot": "one", "opened": [], "taken": [], "reached": []}"#,
            )
            .with("airlock node facts", &serde_json::to_string(&facts("a", "10.0.0.1")).unwrap())
            .with("airlock node status", r#"{"isNode": false, "bundles": []}"#)
    }

    /// A machine with one interface.
    pub(crate) fn facts(name: &str, address: &str) -> Facts {
        let interface = facts::Interface {
            name: "eth0".to_owned(),
            addresses: vec![facts::Subnet { address: address.parse().unwrap(), prefix: 24 }],
            ..facts::Interface::default()
        };
        let network = facts::Network {
            hostname: Some(name.to_owned()),
            interfaces: vec![interface],
            ..facts::Network::default()
        };
        let machine =
            facts::Machine { machine_id: Some(format!("id of {name}")), ..facts::Machine::default() };
        Facts { machine, network, os: facts::OperatingSystem::default() }
    }

    #[test]
    fn a_clock_is_compared_with_the_middle_of_the_question() {
        let at = |milliseconds| Timestamp::from_millisecond(milliseconds).unwrap();
        assert_eq!(Clock::of(at(1000), at(1100), at(1200)), Clock { ahead: 0, uncertainty: 100 });
        assert_eq!(Clock::of(at(1000), at(601_010), at(1020)), Clock { ahead: 600_000, uncertainty: 10 });
        assert_eq!(Clock::of(at(601_000), at(1010), at(601_020)).ahead, -600_000);
    }

    #[test]
    fn a_node_that_is_not_well_tells_what_it_is_all_the_same() {
        let unhealthy =
            r#"{"code":"E1044","kind":"precondition","exit":7,"message":"m","details":[],"causes":[]}"#;
        let digest = Digest::of(b"manifest");
        let output = format!(
            r#"{{"isNode": true, "identity": {{"role": "agent", "joined": "https://10.0.0.1:6443"}}, "bundles":
            [{{"name": "lab-1", "channel": "lab", "serial": 3, "manifest": "{digest}"}}], "running": null}}"#
        );
        let ill = Scripted::default().answering("airlock node status", 7, &output, unhealthy);
        let status = status(&ill).unwrap();
        assert_eq!(status.identity.unwrap().role, Role::Agent);
        assert_eq!(status.bundles[0].manifest, digest);
    }

    #[test]
    fn a_machine_is_told_by_its_facts() {
        let look = look(&bare()).unwrap();
        assert_eq!((look.boot.as_str(), look.facts.network.hostname.as_deref()), ("one", Some("a")));
        assert!(!look.status.is_member());
    }
}
