//! What `airlock cluster deploy` promises of many nodes, measured: twenty take at most three times as long as two once
//! the first server is up, the bundle leaves the machine of the administrator once, and little memory is needed there.
//! Started by `scripts/bench cluster-deploy`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fs_err as fs;
use serde_json::Value;

use crate::desk::{Desk, Outcome};
use crate::lab::Lab;
use crate::lab::gap::Gap;
use crate::lab::release::Release;
use crate::stick::Stick;

/// What twenty nodes may take of what two do.
const RATIO: f64 = 3.0;
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
    /// Bytes that left the provisioner: all, and while the bundle was sent.
    sent: u64,
    sent_with_bundle: u64,
    /// Peak resident memory of the provisioner, and of all its children together.
    memory: u64,
    memory_of_children: u64,
    load: String,
}

/// Deploys a server and so many agents in a lab of their own.
fn deploy(stick: &'static Stick, agents: usize) -> (Seen, Value) {
    let lab = Lab::with_gap(&format!("scale{agents}"), Gap::Reject).unwrap();
    let names: Vec<String> = (0..=agents).map(|number| format!("node{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    lab.nodes_named(&names, Release::Bookworm).unwrap();
    let desk = Desk::new(&lab, stick);
    desk.inventory(&lab.inventory().unwrap());
    let seen = watch(&desk, names[0], names[agents]);
    (seen, desk.report())
}

/// Deploys, and looks at what happens.
fn watch(desk: &Desk, first: &str, last: &str) -> Seen {
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
                first_up = Some(Instant::now());
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
    Seen {
        moments,
        after_first: first_up.expect("the first server is up").elapsed(),
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
    let [two, twenty] = [1, 19].map(|agents| {
        let (seen, report) = deploy(stick, agents);
        let bundle = report["bundle"]["bytes"].as_u64().unwrap();
        let hosts = agents as u64 + 1;
        let installed =
            report["hosts"].as_array().unwrap().iter().filter(|host| host["state"] == "installed");
        assert_eq!(installed.count() as u64, hosts, "{report}");
        let of = format!("of {hosts} nodes");
        Table::fact(&format!("load of the machine before the deployment {of}"), seen.load.clone());
        Table::fact(&format!("deployment {of}"), format!("{:.1} s", seen.whole.as_secs_f64()));
        let after = seen.after_first.as_secs_f64();
        Table::fact(&format!("deployment {of}, after the first server"), format!("{after:.1} s"));
        let scaled = |bytes: u64| (bytes as f64 * OVERHEAD) as u64;
        let limit = scaled(bundle) + TALK;
        table.mebibytes(&format!("sent while the bundle was, {of}"), seen.sent_with_bundle, limit);
        let limit = scaled(bundle + hosts * program) + hosts * TALK;
        table.mebibytes(&format!("sent in all, {of}: bundle once, program to each"), seen.sent, limit);
        table.mebibytes(&format!("memory of `airlock cluster deploy` {of}"), seen.memory, MEMORY);
        let children = format!("{} MiB", seen.memory_of_children >> 20);
        Table::fact(&format!("memory of its ssh processes together, {of}"), children);
        for (second, line) in &seen.moments {
            Table::fact(line, format!("{second:.1} s"));
        }
        after
    });
    let ratio = twenty / two;
    let what = "19 agents after the first server, against 1 agent";
    table.row(what, format!("{ratio:.2}"), format!("<= {RATIO}"), ratio <= RATIO);
    let missed: Vec<&str> =
        table.0.iter().filter(|(_, is_kept)| !is_kept).map(|(what, _)| what.as_str()).collect();
    assert!(missed.is_empty(), "missed: {missed:?}");
}
