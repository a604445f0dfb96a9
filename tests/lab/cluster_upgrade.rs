//! Three servers and an agent go to a newer bundle: one server at a time, through a failure and through a restart, and
//! etcd keeps its quorum. Then nodes leave whose lines have gone from the inventory before.

use std::sync::mpsc::{TryRecvError, channel};
use std::thread;

use serde_json::Value;

use crate::cluster_operations::ready;
use crate::desk::{Desk, Outcome};
use crate::inventories::yaml;
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// Keeps the k3s of the newer bundle from starting.
const REFUSES: &str = "mkdir -p /etc/systemd/system/k3s.service.d
    cat > /etc/systemd/system/k3s.service.d/lab.conf <<'END'
[Service]
ExecStartPre=/bin/sh -c '! /usr/local/bin/k3s --version | grep -q v1.37'
END
    systemctl daemon-reload";
const ADMITS: &str = "rm /etc/systemd/system/k3s.service.d/lab.conf && systemctl daemon-reload";

/// Lets the program of a node say that a restart is needed, as long as it is in the same boot: the nodes have no driver
/// that would need one.
const WANTS_RESTART: &str = r#"cd /usr/local/bin && mv airlock airlock.real && cat > airlock <<'END'
#!/bin/sh
boot=$(cat /proc/sys/kernel/random/boot_id)
[ -e /var/lib/lab-boot ] || echo "$boot" > /var/lib/lab-boot
if [ "$boot" = "$(cat /var/lib/lab-boot)" ]; then
    echo '{"changed": [], "rebootFor": "nouveau"}'
    exit
fi
mv /usr/local/bin/airlock.real /usr/local/bin/airlock
exec /usr/local/bin/airlock "$@"
END
    chmod 755 airlock"#;

const BEFORE: &str = "v1.36.3+k3s1";
const AFTER: &str = "v1.37.1+k3s1";

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn three_servers_are_upgraded_and_nodes_leave_that_are_not_in_the_inventory() {
    let Some(sticks) = Stick::for_clusters() else { return };
    let lab = Lab::with_gap("three", Gap::Reject).unwrap();
    let names = ["server1", "server2", "server3", "worker1"];
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let [server1, server2, server3, worker1] = &nodes[..] else { panic!("four nodes") };
    let desk = Desk::new(&lab, &sticks[0]);
    desk.inventory(&yaml(&lab, &[server1, server2, server3], &[worker1], &[]));
    desk.deploy_all("installed", 4);

    let servers = [server1, server2, server3];
    let upgrade = desk.reporting_with(&["upgrade"], &sticks[1]);
    stops_at_a_server_that_fails(&desk, &upgrade, servers);
    restarts(&desk, &upgrade, servers);
    desk.inventory(&yaml(&lab, &[server1, server2], &[], &[]));
    departs(&desk, servers, worker1);
}

/// The others keep what they have, and are told as not begun.
fn stops_at_a_server_that_fails(desk: &Desk, upgrade: &[String], servers: [&Node; 3]) {
    let [server1, server2, _] = servers;
    server2.shell(REFUSES).unwrap();
    let (stopped, fewest) = fewest_running(servers, || desk.run(upgrade));
    assert_eq!(stopped.status, Some(9), "{}", stopped.told);
    assert!(fewest >= 2, "{fewest} of three: {}", stopped.told);
    assert_eq!(
        endings(desk),
        ["server1 done", "server2 failed", "server3 notBegun", "worker1 notBegun"],
        "{}",
        stopped.told
    );
    let ready = ready(server1, 4);
    for node in [format!("server1 {AFTER}"), format!("server3 {BEFORE}"), format!("worker1 {BEFORE}")] {
        assert!(ready.contains(&node), "{ready:?}");
    }
    server2.shell(ADMITS).unwrap();
}

/// A node that has to be restarted is named; with `--restart` it is restarted, and everything comes to its end.
fn restarts(desk: &Desk, upgrade: &[String], servers: [&Node; 3]) {
    let [server1, server2, _] = servers;
    server2.shell(WANTS_RESTART).unwrap();
    // What came of it is said, whether or not it can be written down.
    let [words @ .., report] = upgrade else { panic!("words") };
    let unwritable = [words, &[format!("{report}.missing/report.json")]].concat();
    let told = desk.refuse(&unwritable, 9, "server2 has to be restarted (step nouveau)");
    assert!(told.contains("report.json.missing"), "{told}");
    let boot = || server2.shell("cat /proc/sys/kernel/random/boot_id").unwrap();
    let before = boot();
    let restarting = [upgrade, &["--restart".to_owned()]].concat();
    let (done, fewest) = fewest_running(servers, || server2.through_restart(|| desk.run(&restarting)));
    let Outcome { status, told } = done.unwrap();
    assert_eq!(status, Some(0), "{told}");
    assert!(fewest >= 2, "{fewest} of three: {told}");
    assert_ne!(boot(), before, "it was restarted");
    assert_eq!(endings(desk), ["server1 done", "server2 done", "server3 done", "worker1 done"]);
    let after = ["server1", "server2", "server3", "worker1"].map(|name| format!("{name} {AFTER}"));
    assert_eq!(ready(server1, 4), after, "{told}");
    let begun = after.map(|node| installs_from(desk, node.split(' ').next().unwrap()));
    assert!(begun.is_sorted(), "one after the other: {begun:?}");
    let again = desk.succeed(&restarting);
    assert!(again.contains("nothing to do"), "{again}");
}

/// Names that the cluster knows and the inventory does not.
fn departs(desk: &Desk, [server1, server2, server3]: [&Node; 3], worker1: &Node) {
    desk.refuse(&["remove", "worker7", "--yes"], 2, "the cluster has server1, server2, server3, worker1");

    let said = desk.succeed(&["remove", "worker1", "--yes"]);
    assert!(said.contains("on worker1: `sudo airlock node reset --yes`"), "{said}");
    let secrets =
        server1.shell("k3s kubectl get nodes; k3s kubectl get secrets --namespace kube-system").unwrap();
    assert!(!secrets.contains("worker1"), "{secrets}");
    worker1.succeed(&["airlock", "node", "reset", "--yes"]).unwrap();
    desk.refuse(&["remove", "worker1", "--yes"], 2, "neither in the cluster nor in the inventory");

    desk.refuse(&["remove", "server3", "--yes"], 8, "it would join again");
    let (killed, fewest) = fewest_running([server1, server2, server3], || server3.kill_hard());
    killed.unwrap();
    assert_eq!(fewest, 2, "who counts sees a server that does not run");
    let silent = "until k3s kubectl get nodes | grep -q 'server3 *NotReady'; do sleep 0.2; done";
    server1.succeed(&["timeout", "60", "sh", "-c", silent]).unwrap();
    let said = desk.succeed(&["remove", "server3", "--yes"]);
    assert!(said.contains("keep it off"), "{said}");
    assert_eq!(said.matches("even number").count() + said.matches("less safe").count(), 1, "{said}");
    let two = [format!("server1 {AFTER}"), format!("server2 {AFTER}")];
    assert_eq!(ready(server2, 2), two);
    let status = desk.succeed(&["etcd", "status"]);
    assert!(!status.contains("server3"), "{status}");
}

/// What the last report says of each node, in the order of their names.
fn endings(desk: &Desk) -> Vec<String> {
    let report = desk.report();
    let text = |node: &Value, field: &str| node[field].as_str().unwrap().to_owned();
    let nodes = report["nodes"].as_array().unwrap().iter();
    let mut nodes: Vec<String> =
        nodes.map(|node| format!("{} {}", text(node, "node"), text(node, "ending"))).collect();
    nodes.sort();
    nodes
}

/// When the installation began on a node, by its log.
fn installs_from(desk: &Desk, node: &str) -> String {
    let log = desk.log(node);
    let line = log.lines().rfind(|line| line.contains("$ airlock install")).unwrap();
    line.split(' ').next().unwrap().to_owned()
}

/// What came of it, and how many of three servers have run whenever somebody looked, the last time when it was over:
/// not less than two, since they restart one at a time.
fn fewest_running<T>(servers: [&Node; 3], act: impl FnOnce() -> T) -> (T, usize) {
    let runs = |server: &&&Node| {
        let state = server.run(&["systemctl", "is-active", "--quiet", "k3s"]);
        state.is_ok_and(|output| output.status.success())
    };
    // Dropped when `act` ends, by a panic too: who counts would go on for ever.
    let (acts, is_over) = channel::<()>();
    thread::scope(|scope| {
        let counting = scope.spawn(move || {
            let mut fewest = servers.len();
            loop {
                let is_last = is_over.try_recv() == Err(TryRecvError::Disconnected);
                fewest = fewest.min(servers.iter().filter(runs).count());
                if is_last {
                    return fewest;
                }
            }
        });
        let done = {
            let _acts = acts;
            act()
        };
        (done, counting.join().unwrap())
    })
}
