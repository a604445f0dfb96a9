//! Many nodes on one small machine: they boot soon, and take little of it.

use std::time::{Duration, Instant};

use fs_err as fs;

use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};

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

/// The memory of the processes in control groups with this name in theirs, in bytes: what each has alone, and its share
/// of what it has together with others (`Pss` of proc_pid_smaps(5)).
fn memory(group: &str) -> u64 {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let mut kibibytes = 0;
    for process in processes {
        let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
        let memory = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
        let line = memory.lines().find_map(|line| line.strip_prefix("Pss:"));
        if let (true, Some(line)) = (groups.contains(group), line) {
            kibibytes += line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        }
    }
    kibibytes << 10
}
