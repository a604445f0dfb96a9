//! Every server has the whole bundle: whichever registry dies, nodes join, pull, and are put right.

use serde_json::Value;

use crate::install::{bring_program_and_token, install_server, join, nothing_is_left_to_do};
use crate::lab::Lab;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

const UNITS: &str = "airlock-registry.socket airlock-registry-unix.socket airlock-registry.service";

/// What a node tells about its registry.
fn registry(node: &Node) -> Value {
    let text = node.shell("airlock node status --json || true").unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["registry"].clone()
}

fn url(node: &Node) -> String {
    format!("https://{}:5443", node.address())
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nodes_join_and_pull_whichever_registry_is_down() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::new("replicas").unwrap();
    let first = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    let second = lab.node("server2", Release::Bookworm).unwrap();
    let agent = lab.node("agent1", Release::Bookworm).unwrap();
    for node in [&first, &second, &agent] {
        node.succeed(&["ip", "route", "add", "default", "via", "10.77.0.254"]).unwrap();
    }
    let printed = install_server(&first, stick);
    join("server", &second, &first, stick, &printed);
    nothing_is_left_to_do(&second);
    let (of_first, of_second) = (registry(&first), registry(&second));
    assert_eq!(of_first["newest"], of_second["newest"]);
    assert_eq!(of_second["bundles"], 1);
    assert_eq!(of_second["endpoints"], serde_json::json!(["https://127.0.0.1:5443", url(&first)]));

    // An agent comes while the registry of the first server is down.
    first.shell(&format!("systemctl stop {UNITS}")).unwrap();
    bring_program_and_token(&agent, &first, stick);
    let fingerprints = [&of_first, &of_second].map(|registry| registry["fingerprint"].as_str().unwrap());
    let line = format!(
        "cd /root && ./install --yes --role agent --from {} --peer {} --peer {} --ca-fingerprint {} \
         --ca-fingerprint {} --join https://{}:6443 --token-file token --trust {} 2>&1",
        url(&second),
        url(&first),
        url(&second),
        fingerprints[0],
        fingerprints[1],
        first.address(),
        stick.fingerprint
    );
    let said = agent.shell(&line).unwrap();
    assert!(said.contains(&format!("run the same command again when {} answers", url(&first))), "{said}");
    nothing_is_left_to_do(&agent);

    // It comes back, and is trusted from then on; then the other one dies.
    first.shell(&format!("systemctl start {UNITS}")).unwrap();
    let again = format!("airlock install --yes --ca-fingerprint {} --json", fingerprints[0]);
    let outcome: Value = serde_json::from_str(&agent.shell(&again).unwrap()).unwrap();
    assert_eq!(outcome["changed"], serde_json::json!(["registry-ca"]), "k3s is not restarted for that");
    second.shell(&format!("systemctl stop {UNITS}")).unwrap();
    agent.succeed(&["airlock", "node", "verify", "--deep"]).unwrap();
    let status = registry(&agent);
    assert_eq!((&status["answers"], &status["silent"]), (&true.into(), &serde_json::json!([url(&second)])));

    // The second server brings back from the first what its store has lost.
    second.shell(&format!("systemctl start {UNITS}")).unwrap();
    let lose = "cd /var/lib/airlock/store/blobs/sha256 && rm $(ls | head -3)";
    second.shell(lose).unwrap();
    second.shell("airlock node repair --yes").unwrap();
    second.succeed(&["airlock", "node", "verify"]).unwrap();
}
