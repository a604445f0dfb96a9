//! What the stand-in for k3s does when members of etcd are added, removed, lost and reset: as the real one, it is told
//! what to do by its administrator.

use std::time::Duration;

use serde_json::Value;

use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::{Standin, TOKEN, address, joining, server, write};

/// Nothing runs that these tests look at.
const DISABLE: &str = "disable: [coredns, local-storage]\n";
const MEMBER: &str = r"jsonpath={.metadata.annotations.etcd\.k3s\.cattle\.io/node-name}";
const REMOVED: &str = r"jsonpath={.metadata.annotations.etcd\.k3s\.cattle\.io/removed-node-name}";
const SECRET: &str = "k3s kubectl -n kube-system get secret server2.node-password.k3s >/dev/null 2>&1";
/// How long the stand-in may take to say something.
const PATIENCE: Duration = Duration::from_secs(30);
const CONFIGURATION: &str = "/etc/rancher/k3s/config.yaml";

fn founder(node: &Node) -> String {
    format!("{}cluster-init: true\ntoken: {TOKEN}\n{DISABLE}", address(node))
}

/// What a command says that has to fail.
fn refused(node: &Node, words: &[&str]) -> String {
    let output = node.run(words).unwrap();
    assert!(!output.status.success(), "{words:?} succeeds");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn annotation(server: &Standin, node: &str, path: &str) -> String {
    server.kubectl(&["get", "node", node, "-o", path])
}

/// Starts a server and waits until it votes.
fn join(first: &Standin, server: &Standin) {
    server.start();
    let name = server.node.name();
    let voter = format!(
        r#"k3s kubectl get node {name} -o 'jsonpath={{.status.conditions[?(@.type=="EtcdIsVoter")].status}}'"#
    );
    first.until(&format!("[ \"$({voter} 2>/dev/null)\" = True ]"));
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn members_join_one_at_a_time_are_removed_and_come_back_under_another_name() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("members").unwrap();
    let nodes = lab.nodes_named(&["server1", "server2", "server3"], Release::Bookworm).unwrap();
    let first = server(&nodes[0], &founder(&nodes[0]));
    first.set_environment("K3S_STANDIN_LEARNER=4\n");
    first.start();
    let token = first.server_file("token");
    let [second, third] = [1, 2].map(|index| {
        server(&nodes[index], &format!("{}{DISABLE}", joining(&nodes[index], &nodes[0], &token)))
    });

    // A learner that has begun and is gone keeps the others out, until it is given up.
    let ghost = r#"{"metadata": {"name": "ghost"}, "node": "ghost", "url": "https://10.77.0.99:6443", "voter": false, "since": "NOW"}"#;
    let ghost = ghost.replace("NOW", &jiff::Timestamp::now().to_string());
    let place = "https://10.77.0.11:6443/apis/etcd.stand-in/v1/members/ghost";
    let login = format!("server:{TOKEN}");
    nodes[0].succeed(&["curl", "-fsk", "-u", &login, "-X", "PUT", "-d", &ghost, place]).unwrap();
    let waits = std::thread::scope(|scope| {
        let waits = scope
            .spawn(|| nodes[1].wait_for_log("k3s", "too many learner members in cluster", PATIENCE).unwrap());
        join(&first, &second);
        waits.join().unwrap()
    });
    assert!(waits.contains("Waiting for other members to finish joining etcd cluster"), "{waits}");
    join(&first, &third);
    let member = annotation(&first, "server2", MEMBER);
    assert!(member.starts_with("server2-") && member.len() == "server2-01234567".len(), "{member}");
    assert_eq!(second.server_file("db/etcd/name"), member);
    // Each kubelet takes its lease when it comes to it, which need not be before its server votes.
    first.until("[ $(k3s kubectl get leases -n kube-node-lease -o name | wc -l) = 3 ]");

    // Asked for by annotation, the member goes; its process ends, and joins anew since it knows a server.
    first.kubectl(&["annotate", "node", "server2", "etcd.k3s.cattle.io/remove=true"]);
    second.node.wait_for_log("k3s", "This node has been removed from the cluster", PATIENCE).unwrap();
    second.node.wait_for_log("k3s", "to rejoin the cluster", PATIENCE).unwrap();
    first.until("k3s kubectl get node server2 -o json | grep -q '\"EtcdIsVoter\"'");
    second.until(&format!("[ -s /var/lib/rancher/k3s/server/db/etcd/name ] && ! grep -q {member} /var/lib/rancher/k3s/server/db/etcd/name"));
    first.until(&format!("[ \"$(k3s kubectl get node server2 -o '{MEMBER}')\" != {member} ]"));
    first.until(&format!("[ -z \"$(k3s kubectl get node server2 -o '{REMOVED}')\" ]"));
    second.node.shell("ls -d /var/lib/rancher/k3s/server/db/etcd-backup-*").unwrap();

    // Where a removal would leave too few, the request is taken back.
    join(&first, &second);
    third.stop();
    first.until("k3s kubectl get node server3 | grep -q NotReady");
    first.kubectl(&["annotate", "node", "server2", "etcd.k3s.cattle.io/remove=true"]);
    first.until("! k3s kubectl get node server2 -o json | grep -q cattle.io/remove");
    assert_eq!(annotation(&first, "server2", REMOVED), "");
    third.start();
    first.until("k3s kubectl get node server3 | grep -qw Ready");

    // With its Node the member goes, and a little later the password. Without a server to join it stays away.
    second
        .node
        .shell("cp /etc/rancher/k3s/config.yaml /root && sed -i /server:/d /etc/rancher/k3s/config.yaml")
        .unwrap();
    first.node.shell(SECRET).unwrap();
    first.kubectl(&["delete", "node", "server2"]);
    first.until(&format!("! {SECRET}"));
    second
        .node
        .wait_for_log("k3s", "tombstone file has been detected but --server is empty", PATIENCE)
        .unwrap();
    second.stop();
    assert!(first.kubectl(&["get", "nodes", "-o", "name"]) == "node/server1\nnode/server3\n");
    assert!(first.kubectl(&["get", "--raw=/readyz"]).starts_with("ok"));
    second.node.shell("cp /root/config.yaml /etc/rancher/k3s/config.yaml").unwrap();
    join(&first, &second);
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn a_cluster_is_saved_reset_and_restored() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("restore").unwrap();
    let nodes = lab.nodes_named(&["server1", "server2"], Release::Bookworm).unwrap();
    let first = server(&nodes[0], &founder(&nodes[0]));
    first.start();
    let token = first.server_file("token");
    let second = server(&nodes[1], &format!("{}{DISABLE}", joining(&nodes[1], &nodes[0], &token)));
    join(&first, &second);

    let snapshot = |words: &[&str]| nodes[0].succeed(&[&["k3s", "etcd-snapshot"], words].concat()).unwrap();
    first.kubectl(&["label", "node", "server1", "kept=yes"]);
    for name in ["one", "two", "two"] {
        snapshot(&["save", "--name", name]);
        nodes[0].succeed(&["sleep", "1.1"]).unwrap();
    }
    let listed: Value = serde_json::from_str(&snapshot(&["ls", "-o", "json"])).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3, "{listed}");
    snapshot(&["prune", "--name", "two", "--snapshot-retention=1"]);
    let listed = snapshot(&["ls"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let file =
        listed.lines().nth(1).unwrap().split(' ').nth(1).unwrap().trim_start_matches("file://").to_owned();
    first.kubectl(&["label", "node", "server1", "lost=yes"]);

    // Most members are gone for ever: nothing goes on until the cluster is made a new one of what is left.
    nodes[1].kill_hard().unwrap();
    first.until("k3s kubectl get --raw /readyz 2>&1 | grep -q 'etcd failed'");
    let reset: &[&str] = &["k3s", "server", "--cluster-reset"];
    assert!(refused(&nodes[0], reset).contains("address already in use"));
    first.stop();
    let with_server = [reset, &["--server", "https://10.77.0.12:6443"]].concat();
    assert!(
        refused(&nodes[0], &with_server).contains("cannot perform cluster-reset while server URL is set")
    );
    nodes[0].succeed(reset).unwrap();
    assert!(refused(&nodes[0], reset).contains("was previously reset, please remove the cluster-reset flag"));
    first.start();
    first.until("k3s kubectl get node server1 --show-labels=true -o json | grep -q lost");
    nodes[0].shell("[ ! -e /var/lib/rancher/k3s/server/db/reset-flag ]").unwrap();

    // Those who still have the old data do not belong to it; without the data they join.
    nodes[1].boot().unwrap();
    nodes[1].systemctl(&["start", "--no-block", "k3s"]).unwrap();
    nodes[1].wait_for_log("k3s", "this server is not a member of the etcd cluster", PATIENCE).unwrap();
    second.stop();
    nodes[1].shell("mv /var/lib/rancher/k3s/server/db /var/lib/rancher/k3s/server/db.old").unwrap();
    join(&first, &second);

    // A snapshot brings back what was then, and nobody needs what came later.
    first.stop();
    second.stop();
    let restore = [reset, &["--cluster-reset-restore-path", &file]].concat();
    let missing = [reset, &["--cluster-reset-restore-path", "/nowhere"]].concat();
    assert!(refused(&nodes[0], &missing).contains("snapshot path does not exist: /nowhere"));
    let other = [&restore[..], &["--token", "another"]].concat();
    assert!(refused(&nodes[0], &other).contains("encrypted with different token"));
    nodes[0].succeed(&restore).unwrap();
    first.start();
    let labels = first.kubectl(&["get", "node", "server1", "-o", "json"]);
    assert!(labels.contains("\"kept\"") && !labels.contains("\"lost\""), "{labels}");
    nodes[0]
        .shell("ls -d /var/lib/rancher/k3s/server/db/etcd-old-* /var/lib/rancher/k3s/server/tls-*")
        .unwrap();

    // On a new host the token is needed, which opens the snapshot.
    let local = tempfile::tempdir().unwrap();
    nodes[0].copy_out(&file, &local.path().join("snapshot")).unwrap();
    nodes[1].copy_in(&local.path().join("snapshot"), "/root/snapshot").unwrap();
    nodes[1].shell("rm -r /var/lib/rancher/k3s/server").unwrap();
    write(&nodes[1], CONFIGURATION, &format!("{}{DISABLE}", address(&nodes[1])));
    let restore = [reset, &["--cluster-reset-restore-path=/root/snapshot"]].concat();
    assert!(refused(&nodes[1], &restore).contains("server/token does not exist, please pass --token"));
    nodes[1].succeed(&[&restore[..], &["--token", TOKEN]].concat()).unwrap();
    write(&nodes[1], CONFIGURATION, &founder(&nodes[1]));
    second.start();
    assert!(second.kubectl(&["get", "node", "server1", "-o", "json"]).contains("\"kept\""));
}
