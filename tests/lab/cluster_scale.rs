//! What `airlock cluster deploy` promises of many nodes, measured: twenty take at most three times as long as two once
//! the first server is up, the bundle leaves the machine of the administrator once, and little memory is needed there.
//! Started by `scripts/bench cluster-deploy`.
//!
//! Nodes of a lab share the processors of one machine, which real nodes do not: nineteen agents that all install
//! packages wait for each other there, whoever gives them their work. So it is measured twice: with nodes that take what
//! they get, where the time tells how much work a node is; and with nodes that have so small a share of a processor
//! each that all shares together are there, where the time tells whether more nodes take longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::Value;

use crate::desk::{Desk, Outcome};
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::stick::Stick;

/// What twenty nodes may take of what two do.
const RATIO: f64 = 3.0;
/// The share of a processor that a node has where each has its own, in percent: twenty leave some for the machine of
/// the administrator, with two processors.
const SHARE: u32 = 7;
/// What the provisioner may need, in bytes.
const MEMORY: u64 = 128 << 20;
/// What frames and encryption may add to bytes that are sent.
const OVERHEAD: f64 = 1.06;
/// What is said with one host besides, in bytes: requests, settings, acknowledgements.
const TALK: u64 = 1 << 20;

/// What was seen of a deployment.
#[derive(Debug)]
struct Seen {
    /// What was heard of the last host, and of all of them together: after so many seconds.
    moments: Vec<(f64, String)>,
    /// From the first server's end to that of all.
    after_first: Duration,
    whole: Duration,
    /// What processors have worked for all nodes from the first server's end on.
    nodes_after_first: Duration,
    /// Bytes that left the provisioner: all, and while the bundle was sent.
    sent: u64,
    sent_with_bundle: u64,
    /// Peak resident memory of the provisioner, and of all its children together.
    memory: u64,
    memory_of_children: u64,
    load: String,
}

/// Deploys a server and so many agents in a lab of their own, each with this share of a processor if one is named.
fn deploy(stick: &'static Stick, agents: usize, share: Option<u32>) -> (Seen, Value) {
    let lab = Lab::with_gap(&format!("scale{agents}"), Gap::Reject).unwrap();
    let names: Vec<String> = (0..=agents).map(|number| format!("node{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let nodes = lab.nodes_named(&names, Release::Bookworm).unwrap();
    share.inspect(|share| nodes.iter().for_each(|node| node.limit_processor(*share).unwrap()));
    let desk = Desk::new(&lab, stick);
    desk.inventory(&lab.inventory().unwrap());
    let seen = watch(&desk, &nodes);
    (seen, desk.report())
}

/// Deploys, and looks at what happens.
fn watch(desk: &Desk, nodes: &[Node]) -> Seen {
    let (first, last) = (nodes[0].name(), nodes[nodes.len() - 1].name());
    let work = || -> Duration { nodes.iter().map(|node| node.processor_time().unwrap()).sum() };
    let sent = || desk.provisioner.traffic().unwrap().sent;
    let load = fs::read_to_string("/proc/loadavg").unwrap().trim().to_owned();
    let (before, begun) = (sent(), Instant::now());
    let mut deployment = desk.start(&desk.reporting(&["deploy", "--json"]));
    let (process, over) = (deployment.id(), AtomicBool::new(false));
    let (mut moments, mut first_up, mut bundle) = (Vec::new(), None, (0, 0));
    let (memory, memory_of_children) = thread::scope(|scope| {
        let memory = scope.spawn(|| memory(process, &over));
        while let Some(line) = deployment.next_line() {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let is = |name: &str| event["event"] == name;
            if is("hostFinished") && event["host"] == first && event["text"] != "looked at" {
                first_up = Some((Instant::now(), work()));
            }
            match (is("started"), is("finished"), event["stage"] == "push") {
                (true, _, true) => bundle.0 = sent(),
                (_, true, true) => bundle.1 = sent(),
                _ => {}
            }
            let is_telling = event["host"].is_null() || event["host"] == last;
            if is_telling && !is("advanced") && !line.contains("copied there") {
                moments.push((begun.elapsed().as_secs_f64(), line.trim_end().to_owned()));
            }
        }
        over.store(true, Ordering::Relaxed);
        memory.join().unwrap()
    });
    let Outcome { status, told } = deployment.end();
    assert_eq!(status, Some(0), "{told}");
    let (first_up, work_before) = first_up.expect("the first server is up");
    Seen {
        moments,
        after_first: first_up.elapsed(),
        nodes_after_first: work() - work_before,
        whole: begun.elapsed(),
        sent: sent() - before,
        sent_with_bundle: bundle.1 - bundle.0,
        memory,
        memory_of_children,
        load,
    }
}

/// Peak resident memory of a process, and that of all its children at one time, in bytes (proc_pid_status(5)).
fn memory(process: u32, over: &AtomicBool) -> (u64, u64) {
    let value = |process: &str, name: &str| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) << 10
    };
    let (mut own, mut others) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        own = own.max(value(&process.to_string(), "VmHWM:"));
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: String = children.collect();
        others = others.max(children.split_whitespace().map(|child| value(child, "VmRSS:")).sum());
        thread::sleep(Duration::from_millis(100));
    }
    (own, others)
}

/// What is measured, against what is promised.
struct Table(Vec<(String, bool)>);

impl Table {
    #[expect(clippy::print_stderr, reason = "what was measured is the result")]
    fn row(&mut self, what: &str, measured: String, limit: String, is_kept: bool) {
        let verdict = if is_kept { "kept" } else { "MISSED" };
        eprintln!("{what:<58} {measured:>12}  {limit:<14} {verdict}");
        self.0.push((what.to_owned(), is_kept));
    }

    #[expect(clippy::print_stderr, reason = "what was measured is the result")]
    fn fact(what: &str, measured: String) {
        eprintln!("{what:<58} {measured:>12}");
    }

    /// What was seen of a deployment of so many hosts, whose program has so many bytes.
    fn deployment(&mut self, seen: &Seen, report: &Value, hosts: u64, program: u64, of_each: &str) {
        let bundle = report["bundle"]["bytes"].as_u64().unwrap();
        let all = report["hosts"].as_array().unwrap();
        let installed = all.iter().filter(|host| host["state"] == "installed").count();
        assert_eq!(installed as u64, hosts, "{report}");
        let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
        Table::fact(&format!("{hosts} nodes; {of_each}; load before"), seen.load.clone());
        Table::fact("deployment", seconds(seen.whole));
        Table::fact("after the first server", seconds(seen.after_first));
        Table::fact("work of all nodes after the first server", seconds(seen.nodes_after_first));
        let scaled = |bytes: u64| (bytes as f64 * OVERHEAD) as u64;
        self.mebibytes("sent while the bundle was", seen.sent_with_bundle, scaled(bundle) + TALK);
        let limit = scaled(bundle + hosts * program) + hosts * TALK;
        self.mebibytes("sent in all: bundle once, program to each", seen.sent, limit);
        self.mebibytes("memory of `airlock cluster deploy`", seen.memory, MEMORY);
        let children = format!("{} MiB", seen.memory_of_children >> 20);
        Table::fact("memory of its ssh processes together", children);
        for (second, line) in &seen.moments {
            Table::fact(line, format!("{second:.1} s"));
        }
    }

    fn mebibytes(&mut self, what: &str, measured: u64, limit: u64) {
        let text = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
        self.row(what, text(measured), format!("<= {}", text(limit)), measured <= limit);
    }
}

#[test]
#[ignore = "a measurement of minutes; started by scripts/bench cluster-deploy"]
fn measure_twenty_nodes_against_two() {
    let Some(stick) = Stick::get() else { return };
    let program = fs::metadata(stick.program()).unwrap().len();
    let mut table = Table(Vec::new());
    for share in [None, Some(SHARE)] {
        let of_each =
            share.map_or("processors shared by all".to_owned(), |share| format!("{share} % of one each"));
        let [two, twenty] = [1, 19].map(|agents| {
            let (seen, report) = deploy(stick, agents, share);
            table.deployment(&seen, &report, agents as u64 + 1, program, &of_each);
            seen.after_first.as_secs_f64()
        });
        let what = format!("19 agents after the first server, against 1; {of_each}");
        table.row(&what, format!("{:.2}", twenty / two), format!("<= {RATIO}"), twenty / two <= RATIO);
    }
    let missed: Vec<&str> =
        table.0.iter().filter(|(_, is_kept)| !is_kept).map(|(what, _)| what.as_str()).collect();
    assert!(missed.is_empty(), "missed: {missed:?}");
}
