//! Carries it out: all listen, all connect, and when the last has ended nobody listens any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::gate::{Awaited, Gate, Silence};
use super::{Link, Part, severity};
use crate::cluster::fleet;
use crate::cluster::inventory::{Host, Inventory};
use crate::cluster::remote::{Command, Connect};
use crate::error::{Result, codes};
use crate::node::facts::Protocol;
use crate::node::reach::{LISTENING, Outcome, Port, Reach};

/// How long the ports may be open.
const LISTENING_FOR: Duration = Duration::from_secs(280);
/// How long the connections of one host may take.
const CONNECTING: Duration = Duration::from_secs(120);

/// The connections that do not work. A host that cannot say is left out: it is known already that something is wrong
/// with it.
pub fn run(
    inventory: &Inventory,
    parts: &BTreeMap<String, Part>,
    connect: &dyn Connect,
    stop: &AtomicBool,
) -> Vec<Link> {
    let hosts: Vec<&Host> = inventory.hosts.iter().filter(|host| parts.contains_key(&host.name)).collect();
    let (gate, awaited) = (Gate::default(), Awaited::new(hosts.len()));
    let listen = |host: &Host| listen(host, &parts[&host.name], connect, &gate, &awaited);
    thread::scope(|scope| {
        let listeners: Vec<_> = hosts.iter().map(|host| (*host, scope.spawn(|| listen(host)))).collect();
        awaited.wait();
        let reach = |host: &Host| reach(&parts[&host.name], host, connect);
        let outcomes = match stop.load(Ordering::Relaxed) {
            true => Vec::new(),
            false => fleet::each(&hosts, inventory.cluster.concurrency, stop, reach).split().0,
        };
        gate.close();
        let joined = listeners.into_iter().filter_map(|(host, listener)| {
            let listened = listener.join().ok()?.ok()?;
            Some((host.name.clone(), (listened.opened, listened.taken)))
        });
        judge(inventory, parts, &outcomes, &joined.collect())
    })
}

/// Listens until the gate closes.
fn listen(host: &Host, part: &Part, connect: &dyn Connect, gate: &Gate, awaited: &Awaited) -> Result<Reach> {
    let mut is_there = false;
    let mut arrive = || {
        if !std::mem::replace(&mut is_there, true) {
            awaited.arrive();
        }
    };
    let words = ["node", "reach", "--listen"].map(str::to_owned).into_iter();
    let words: Vec<String> = words.chain(part.listen.iter().map(Port::to_string)).collect();
    let mut silence = Silence(gate);
    let answer = connect.connect(host).and_then(|remote| {
        let command = Command::airlock(words).with_input(&mut silence).within(LISTENING_FOR);
        remote.run(command, &mut |line| {
            if line.contains(LISTENING) {
                arrive();
            }
        })
    });
    arrive();
    answer?.success()?.json()
}

fn reach(part: &Part, host: &Host, connect: &dyn Connect) -> Result<Reach> {
    let words = ["node", "reach", "--connect"].map(str::to_owned).into_iter();
    let words = words.chain(part.connect.keys().map(ToString::to_string));
    let remote = connect.connect(host)?;
    let answer = remote.run(Command::airlock(words).within(CONNECTING), &mut |_| {})?;
    match answer.status == 0 || answer.error().code() == codes::PORT_UNREACHED {
        true => answer.json(),
        false => answer.success()?.json(),
    }
}

/// What was open, and what somebody else had.
type Listened = BTreeMap<String, (Vec<Port>, Vec<Port>)>;

/// A port counts where its host has listened on it; of TCP also where another program has: that one answers. Who has a
/// port of UDP sends nothing back.
fn judge(
    inventory: &Inventory,
    parts: &BTreeMap<String, Part>,
    outcomes: &[(&Host, Reach)],
    listened: &Listened,
) -> Vec<Link> {
    let mut links = BTreeSet::new();
    for (host, reach) in outcomes {
        for reached in reach.reached.iter().filter(|reached| reached.outcome != Outcome::Open) {
            let Some(to) = parts[&host.name].connect.get(&reached.target) else { continue };
            let Some((opened, taken)) = listened.get(to) else { continue };
            let port = reached.target.port;
            // Whoever has it may listen on another address than the one that counts: that is theirs to say.
            let counts = opened.contains(&port)
                || port.protocol == Protocol::Tcp
                    && taken.contains(&port)
                    && reached.outcome != Outcome::Refused;
            if counts {
                let severity = severity(inventory, to, port);
                let (from, to, outcome) = (host.name.clone(), to.clone(), reached.outcome);
                links.insert(Link { from, to, port, outcome, severity });
            }
        }
    }
    links.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::inventory::tests::inventory;
    use crate::cluster::remote::process::{Ending, Process};
    use crate::cluster::remote::{Answer, Patience, Remote, talk};

    /// Two hosts, between which one port is blocked in one direction.
    struct Lab;

    impl Connect for Lab {
        fn connect(&self, host: &Host) -> Result<Arc<dyn Remote>> {
            Ok(Arc::new(Machine(host.name.clone())))
        }
    }

    struct Machine(String);

    impl Remote for Machine {
        fn run(&self, command: Command<'_>, listen: &mut dyn FnMut(&str)) -> Result<Answer> {
            if self.0 == "gone" {
                let mut shell = std::process::Command::new("/bin/sh");
                shell.args(["-c", "read request; exit 255"]);
                let mut agent = Process::start(shell, Ending::Kill).unwrap();
                let told = talk(&mut agent, command, listen, Patience::default(), &AtomicBool::new(false));
                return told.map_err(|failure| failure.into_error("gone"));
            }
            let words = command.request.arguments;
            let told: Vec<String> = words[3..].to_vec();
            let reach = match words[2].as_str() {
                "--listen" => {
                    listen(r#"{"event":"note","text":"listening"}"#);
                    // It ends with its input.
                    std::io::copy(command.input.unwrap(), &mut std::io::sink()).unwrap();
                    serde_json::json!({"opened": told, "taken": [], "reached": []})
                }
                _ => {
                    let outcome = |target: &String| match self.0 == "w1" && target.ends_with("8472/udp") {
                        true => "silent",
                        false => "open",
                    };
                    let reached = told
                        .iter()
                        .map(|target| serde_json::json!({"target": target, "outcome": outcome(target)}));
                    serde_json::json!({"opened": [], "taken": [], "reached": reached.collect::<Vec<_>>()})
                }
            };
            let mut reach = reach;
            reach["now"] = "2026-05-04T12:00:00Z".into();
            reach["boot"] = "one".into();
            Ok(Answer { status: 0, output: reach.to_string(), errors: Vec::new() })
        }
    }

    fn addresses(of: &[(&str, &str)]) -> BTreeMap<String, std::net::IpAddr> {
        of.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect()
    }

    #[test]
    fn a_host_that_goes_away_before_it_listens_holds_nobody() {
        let inventory = inventory(&["s1", "gone"]);
        let parts = super::super::parts(&inventory, &addresses(&[("s1", "10.0.0.1"), ("gone", "10.0.0.2")]));
        let (done, ended) = std::sync::mpsc::channel();
        thread::spawn(move || done.send(run(&inventory, &parts, &Lab, &AtomicBool::new(false))));
        let links = ended.recv_timeout(Duration::from_secs(60)).expect("it hangs");
        assert_eq!(links, [], "nobody knows whether it listened");
    }

    #[test]
    fn a_blocked_port_is_named_with_its_direction() {
        let inventory = inventory(&["s1", "w1"]);
        let addresses = addresses(&[("s1", "10.0.0.1"), ("w1", "10.0.0.2")]);
        let parts = super::super::parts(&inventory, &addresses);
        let links = run(&inventory, &parts, &Lab, &AtomicBool::new(false));
        let texts: Vec<String> = links.iter().map(Link::text).collect();
        assert_eq!(texts, ["w1 → s1 8472/udp: nothing comes back"]);
    }
}
