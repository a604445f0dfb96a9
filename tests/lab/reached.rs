//! Nodes are reached by real SSH from the machine of an administrator, and everything goes wrong on the way that can.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fs_err as fs;

use crate::desk::said;
use crate::lab::node::Node;
use crate::lab::provisioner::Provisioner;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};

/// Nobody is asked anything, and a node that is gone is given up soon.
const OPTIONS: &[&str] = &["-oBatchMode=yes", "-oConnectTimeout=3", "-oServerAliveInterval=1"];

fn ssh(lab: &Lab, provisioner: &Provisioner, node: &Node, line: &str) -> Command {
    let (key, login) = (lab.ssh_key(), format!("operator@{}", node.address()));
    let own = ["-i", key.to_str().unwrap(), &login, line];
    provisioner.command("ssh", &[OPTIONS, &own].concat())
}

/// What a line of shell prints that the operator runs, which has to succeed.
fn by_ssh(lab: &Lab, provisioner: &Provisioner, node: &Node, line: &str) -> String {
    let output = ssh(lab, provisioner, node, line).output().unwrap();
    assert!(output.status.success(), "{line}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn an_administrator_gets_in_by_key_and_becomes_root_and_nodes_have_no_way_out() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("ssh").unwrap();
    let node = |name: &str, release| lab.node(name, release).unwrap();
    let nodes = [node("server1", Release::Bookworm), node("agent1", Release::Trixie)];
    let provisioner = lab.provisioner().unwrap();
    let run = |node: &Node, line: &str| by_ssh(&lab, &provisioner, node, line);
    for node in &nodes {
        assert_eq!(run(node, "whoami; hostname"), format!("operator\n{}\n", node.name()));
        assert_eq!(run(node, "sudo -n whoami"), "root\n");
    }
    let found = provisioner.command("sh", &["-c", "echo ~root; touch $TMPDIR/mine"]).output().unwrap();
    assert_eq!(said(&found).trim_end(), provisioner.home().to_str().unwrap());
    assert!(provisioner.temporary().join("mine").exists());
    assert!(!nodes[0].run(&["curl", "-s", "-m2", "https://docker.io"]).unwrap().status.success());
    assert_ne!(nodes[0].host_key_fingerprint().unwrap(), nodes[1].host_key_fingerprint().unwrap());
    let seen = provisioner.command("ssh-keyscan", &["-t", "ed25519", "10.77.0.11"]).output().unwrap();
    let listed = run(&nodes[0], "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    assert!(listed.contains(&nodes[0].host_key_fingerprint().unwrap()), "{listed}");
    let key = String::from_utf8(seen.stdout).unwrap().split(' ').nth(2).unwrap().trim().to_owned();
    assert!(fs::read_to_string(lab.known_hosts().unwrap()).unwrap().contains(&key));

    // With a password sudo asks, and takes only the right one.
    nodes[1].set_sudo_password(Some("canary of the lab")).unwrap();
    let refused = ssh(&lab, &provisioner, &nodes[1], "sudo -n true").output().unwrap();
    assert!(said(&refused).contains("a password is required"), "{}", said(&refused));
    assert_eq!(run(&nodes[1], "echo canary of the lab | sudo -S whoami 2>/dev/null"), "root\n");
    let wrong = ssh(&lab, &provisioner, &nodes[1], "echo wrong | sudo -S true").output().unwrap();
    assert!(said(&wrong).contains("Sorry, try again"), "{}", said(&wrong));
    nodes[1].set_sudo_password(None).unwrap();
    assert_eq!(run(&nodes[1], "sudo -n whoami"), "root\n");

    // Whoever knew the old key is warned.
    nodes[0].replace_host_key().unwrap();
    let warned = ssh(&lab, &provisioner, &nodes[0], "true").output().unwrap();
    assert!(said(&warned).contains("REMOTE HOST IDENTIFICATION HAS CHANGED"), "{}", said(&warned));
    let provisioner = lab.provisioner().unwrap();
    assert_eq!(by_ssh(&lab, &provisioner, &nodes[0], "echo known"), "known\n");

    // Names and clocks that are not what others expect.
    nodes[0].set_hostname("agent1").unwrap();
    assert_eq!(by_ssh(&lab, &provisioner, &nodes[0], "hostname"), "agent1\n");
    for offset in [600, -600, 0] {
        nodes[0].set_clock_offset(offset).unwrap();
        for line in ["date +%s", "sudo -n date +%s"] {
            let clock: i64 = by_ssh(&lab, &provisioner, &nodes[0], line).trim().parse().unwrap();
            let wrong = clock - jiff::Timestamp::now().as_second();
            assert!((wrong - offset).abs() < 30, "{line}: {wrong} instead of {offset}");
        }
    }
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn nodes_hang_fill_up_and_lose_their_link_in_the_middle_of_a_transfer() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("mishaps").unwrap();
    let nodes = lab.nodes_named(&["server1", "agent1"], Release::Bookworm).unwrap();
    let [server, agent] = &nodes[..] else { panic!("two nodes") };
    let provisioner = lab.provisioner().unwrap();
    let send = |node: &Node, mebibytes: u64| {
        let mut command = ssh(&lab, &provisioner, node, "sudo sh -c 'cat > /var/lib/received'");
        let input = tempfile::tempfile().unwrap();
        input.set_len(mebibytes << 20).unwrap();
        command.stdin(Stdio::from(input)).output().unwrap().status.success()
    };

    // What is sent is counted at both ends, and nobody else gets it.
    let before = (lab.cable(server).traffic().unwrap(), provisioner.traffic().unwrap());
    let agent_before = lab.cable(agent).traffic().unwrap();
    assert!(send(server, 16));
    let after = (lab.cable(server).traffic().unwrap(), provisioner.traffic().unwrap());
    for bytes in [after.0.received - before.0.received, after.1.sent - before.1.sent] {
        assert!((16 << 20..18 << 20).contains(&bytes), "{bytes}");
    }
    assert!(lab.cable(agent).traffic().unwrap().received - agent_before.received < 1 << 20);

    // The link breaks after a part of it.
    lab.cable(server).pull_after(4 << 20).unwrap();
    assert!(!send(server, 16));
    let received = server.read("/var/lib/received").unwrap().len();
    assert!((1 << 20..=4 << 20).contains(&received), "{received}");
    lab.join(server).unwrap();
    assert!(send(server, 16));
    lab.cable(server).slow_down(8 << 20).unwrap();
    let begun = Instant::now();
    assert!(send(server, 16));
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
    lab.join(server).unwrap();

    // What hangs accepts a connection and says nothing, until it goes on.
    agent.hang().unwrap();
    let silent = ssh(&lab, &provisioner, agent, "true").output().unwrap();
    assert!(said(&silent).contains("timed out"), "{}", said(&silent));
    agent.resume().unwrap();
    assert_eq!(by_ssh(&lab, &provisioner, agent, "echo awake"), "awake\n");

    // A full disk is full until there is room, also after a power cut.
    agent.fill_disk(1 << 20).unwrap();
    let full = ssh(&lab, &provisioner, agent, "sudo sh -c 'head -c 4M /dev/zero > /var/lib/large'").output();
    assert!(said(&full.unwrap()).contains("No space left on device"));
    agent.kill_hard().unwrap();
    agent.boot().unwrap();
    agent.make_room().unwrap();
    agent.shell("head -c 4M /dev/zero > /var/lib/large && dpkg -s sudo >/dev/null").unwrap();
}
