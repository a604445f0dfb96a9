//! Many nodes on one small machine: they boot soon, and take little of it.

use std::time::{Duration, Instant};

use fs_err as fs;

use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin::{TOKEN, address, agent, joining, server};

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn twenty_nodes_boot_in_a_minute_and_take_little_memory_and_disk() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("many").unwrap();
    // The root that they share is made once, and is not what is measured.
    lab.remove(&lab.node("first", Release::Bookworm).unwrap()).unwrap();
    let names: Vec<String> = (1..=20).map(|number| format!("node{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let begun = Instant::now();
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let (took, memory) = (begun.elapsed(), memory(&format!("airlock-many-{}-", std::process::id())));
    let disk: u64 = nodes.iter().map(|node| node.written().unwrap()).sum();
    let measured = format!("20 nodes: {took:?}, {} MiB of memory, {} MiB of disk", memory >> 20, disk >> 20);
    assert!(
        took < Duration::from_secs(60) && (1 << 20..2 << 30).contains(&memory) && disk < 1 << 30,
        "{measured}"
    );
    for node in &nodes {
        assert_eq!(node.systemctl(&["is-active", "ssh"]).unwrap(), "active\n");
    }
    #[expect(clippy::print_stderr, reason = "what was measured is the result")]
    let () = eprintln!("{measured}");
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn twenty_nodes_are_one_cluster_of_the_stand_in_and_leave_the_machine_idle() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("crowd").unwrap();
    let names: Vec<String> = (1..=20).map(|number| format!("node{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    let disable = "disable: [coredns, local-storage]\n";
    let server =
        server(&nodes[0], &format!("{}cluster-init: true\ntoken: {TOKEN}\n{disable}", address(&nodes[0])));
    server.start();
    let token = server.server_file("token");
    let begun = Instant::now();
    for node in &nodes[1..] {
        let agent = agent(node, &joining(node, &nodes[0], &token));
        agent.node.systemctl(&["start", "--no-block", "k3s-agent"]).unwrap();
    }
    server.until("[ $(k3s kubectl get nodes | grep -cw Ready) -eq 20 ]");
    let joined = begun.elapsed();
    let group = format!("airlock-crowd-{}-", std::process::id());
    let before = cpu(&group);
    nodes[0].succeed(&["sleep", "5"]).unwrap();
    let used = (cpu(&group) - before) / 5.0;
    #[expect(clippy::print_stderr, reason = "what was measured is the result")]
    let () = eprintln!("20 nodes: a cluster in {joined:?}, which takes {:.0} % of a core", used * 100.0);
    assert!(used < 0.5, "{used} cores");
}

/// Seconds of processor time that the processes in these control groups have used (proc_pid_stat(5)).
fn cpu(group: &str) -> f64 {
    let ticks: u64 = processes(group)
        .map(|process| {
            let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
            let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
            fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
        })
        .sum();
    ticks as f64 / 100.0
}

/// Of the processes in control groups with this name in theirs, the directories in `/proc`.
fn processes(group: &str) -> impl Iterator<Item = std::path::PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.filter(move |process| {
        fs::read_to_string(process.join("cgroup")).is_ok_and(|groups| groups.contains(group))
    })
}

/// The memory of the processes in control groups with this name in theirs, in bytes: what each has alone, and its share
/// of what it has together with others (`Pss` of proc_pid_smaps(5)).
fn memory(group: &str) -> u64 {
    let lines = processes(group).filter_map(|process| {
        let memory = fs::read_to_string(process.join("smaps_rollup")).ok()?;
        let line = memory.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    });
    lines.sum::<u64>() << 10
}
