//! What an installation leaves on a real system after its reset: nothing, but for what is listed here with reasons.

use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::standin::write;
use crate::stick::Stick;

/// What differs although nobody has forgotten anything.
const ALLOWED: [(&str, &str); 5] = [
    ("/var/log", "logs of apt, dpkg and the journal tell what has happened"),
    ("/var/lib/systemd", "times of timers, and the random seed"),
    ("/var/cache/ldconfig/aux-cache", "made when the first library is installed, whoever does it"),
    ("/var/lib/dpkg/status-old", "dpkg keeps what its status was before the last change"),
    ("/var/lib/apt/extended_states", "apt forgets what dpkg has removed at its own next run"),
];

/// What k3s, its pods and its network leave behind when the service stops, and something of the site's own.
const LEFT_BEHIND: &str = "set -e
    ip link add cni0 type bridge
    ip link add flannel.1 type bridge
    ip link add of-the-site type bridge
    ip link add pod1 type veth peer name pod1-inside
    ip link set pod1 master cni0
    ip netns add cni-1234
    iptables -N KUBE-SERVICES
    iptables -A INPUT -j KUBE-SERVICES
    iptables -N OF-THE-SITE
    iptables -t nat -N CNI-HOSTPORT
    mkdir -p /var/lib/kubelet/pods/1/volumes/v /var/lib/rancher/k3s/data/abc/bin
    mount -t tmpfs tmpfs /var/lib/kubelet/pods/1/volumes/v
    touch /var/lib/kubelet/pods/1/volumes/v/data
    cp /bin/sleep /var/lib/rancher/k3s/data/abc/bin/containerd-shim-runc-v2
    setsid /var/lib/rancher/k3s/data/abc/bin/containerd-shim-runc-v2 100000 >/dev/null 2>&1 </dev/null &";

/// What `preflight --fix` writes where there is no default route. Services of a container may not make interfaces.
const ROUTE: &str = "# Written by airlock: k3s needs a default route, and this machine had none.
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
[Install]
WantedBy=multi-user.target
";

/// What of that the kernel still knows; the last line is the site's.
const KERNEL: &str = "ip -brief link | grep -oE '^(cni0|flannel|pod1|airlock|of-the-site)[^ ]*'
    ip netns list
    iptables-save | grep -oE 'KUBE-SERVICES|CNI-HOSTPORT|OF-THE-SITE' | sort -u
    grep -oE '/var/lib/(kubelet|rancher)[^ ]*' /proc/mounts
    pgrep containerd-shim
    systemctl list-units --all --plain --no-legend 'k3s*' 'airlock*'
    true";

/// Somebody else has the lock; the lock says who.
const WHILE_BUSY: &str = r#"exec 9<>/var/lib/airlock/lock; flock 9
    printf '{"pid":%s,"command":"install","since":"2026-01-01T00:00:00Z"}' $$ > /var/lib/airlock/lock
    airlock node reset --yes"#;

/// Somebody at a terminal who is on the wrong machine.
const WITH_WRONG_NAME: &str =
    "echo server2 | script --quiet --return --command 'airlock node reset' /dev/null >&2";

fn install(node: &Node, stick: &Stick) {
    node.succeed(&["/media/stick/install", "--trust", &stick.fingerprint, "--yes"]).unwrap();
}

/// Runs a line of shell that has to end with this status; gives what it wrote to standard error.
fn refused(node: &Node, status: i32, line: &str) -> String {
    let output = node.run(&["sh", "-c", line]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    said
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nothing_is_left_after_a_reset() {
    let Some(stick) = Stick::get() else { return };
    let lab = Lab::with_gap("reset", Gap::Reject).unwrap();
    let node = lab.node_with_stick("server1", Release::Bookworm, &stick.path()).unwrap();
    node.succeed(&["systemctl", "is-system-running", "--wait"]).unwrap();
    node.succeed(&["cp", "/media/stick/install", "/root/airlock"]).unwrap();
    let before = node.snapshot().unwrap();
    // The parameters of the file system are those of this machine and cannot be set, but their file is written.
    node.run(&["/root/airlock", "node", "preflight", "--fix"]).unwrap();
    node.succeed(&["test", "-e", "/etc/sysctl.d/99-airlock.conf"]).unwrap();
    write(&node, "/etc/systemd/system/airlock-default-route.service", ROUTE);
    node.systemctl(&["enable", "--now", "airlock-default-route"]).unwrap();
    node.shell("ip link add airlock-route type bridge").unwrap();
    install(&node, stick);
    let status = node.succeed(&["airlock", "node", "status"]).unwrap();
    assert!(
        status.contains("state      works\n") && status.contains("cluster    the node is ready\n"),
        "{status}"
    );
    node.shell(LEFT_BEHIND).unwrap();

    let said = refused(&node, 2, "airlock node reset </dev/null");
    assert!(said.contains("error[E1043]") && said.contains("airlock node reset --yes"), "{said}");
    let said = refused(&node, 10, WHILE_BUSY);
    assert!(said.contains("`airlock install` (process ") && said.contains("2026-01-01"), "{said}");
    let plan = node.succeed(&["airlock", "node", "reset", "--packages", "--plan"]).unwrap();
    for line in
        ["stop containers (1 processes)", "remove cni0 (network interface)", "remove jq:amd64 (package"]
    {
        assert!(plan.contains(line), "`{line}` is not in:\n{plan}");
    }
    assert!(plan.contains("warning: server1 is the only server"), "{plan}");

    let said = refused(&node, 2, WITH_WRONG_NAME);
    assert!(said.contains("`server2` is not the name of this node; nothing was changed"), "{said}");
    node.systemctl(&["stop", "k3s"]).unwrap();
    let said = refused(&node, 7, "airlock node status >&2");
    assert!(said.contains("problem: k3s.service is inactive\n") && said.contains("error[E1044]"), "{said}");

    let done = node.succeed(&["airlock", "node", "reset", "--packages", "--yes"]).unwrap();
    assert!(done.starts_with("server1 is as before: ") && !done.contains("Stays:"), "{done}");
    assert_eq!(node.shell(KERNEL).unwrap(), "of-the-site\nOF-THE-SITE\n");
    let difference = before.diff(&node.snapshot().unwrap()).without(&ALLOWED.map(|(path, _)| path));
    assert!(difference.is_empty(), "{difference}");

    let again = node.succeed(&["/root/airlock", "node", "reset", "--yes"]).unwrap();
    assert_eq!(again, "nothing to reset: airlock has changed nothing on this machine\n");
    let status = node.succeed(&["/root/airlock", "node", "status"]).unwrap();
    assert!(status.starts_with("this machine is not a node of airlock\n"), "{status}");
}
