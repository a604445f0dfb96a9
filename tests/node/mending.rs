//! What `--fix` and an installation put right, on machines made of files.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use airlock::node::facts::{Facts, ModuleState};
use airlock::node::journal::Journal;
use airlock::node::machine::{self, Call, Finished, Programs};
use airlock::node::plan::Plan;
use airlock::node::preflight::mend::{self, Mending};
use airlock::node::preflight::{Circumstances, Finding, Policy, Role, Verdict, examine, mendings};
use airlock::node::run;
use airlock::progress::Silent;

use crate::machines::Machine;

/// modprobe and systemctl as far as files tell of them.
struct Simulated {
    root: PathBuf,
    calls: Mutex<Vec<String>>,
}

impl Programs for Simulated {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let mut calls = self.calls.lock().unwrap();
        let started = calls.iter().any(|call| call.starts_with("systemctl restart"));
        let mut output = String::new();
        match (call.program(), call.arguments().last()) {
            ("modprobe", Some(module)) => {
                fs_err::create_dir_all(self.root.join("sys/module").join(module)).unwrap();
            }
            ("systemctl", _) if started => output += "ActiveState=active\nUnitFileState=enabled\n",
            ("systemctl", _) => output += "ActiveState=inactive\nUnitFileState=\n",
            _ => return Err(io::ErrorKind::NotFound.into()),
        }
        if !call.to_string().contains(" show ") {
            calls.push(call.to_string());
        }
        Ok(Finished { status: Some(0), output, errors: String::new() })
    }
}

fn mend(machine: &Machine, mendings: &[Mending]) -> (String, Arc<Simulated>) {
    let root = machine.path("/");
    let random = machine.path("/proc/sys/kernel/random");
    fs_err::create_dir_all(&random).unwrap();
    fs_err::write(random.join("boot_id"), "one\n").unwrap();
    let programs = Arc::new(Simulated { root: root.clone(), calls: Mutex::default() });
    let node = machine::Machine::new(&root, programs.clone());
    let steps = mend::steps(mendings);
    let plan = Plan::make(&steps, &node).unwrap();
    let lines = plan.steps.iter().flat_map(|step| &step.changes).map(|change| format!("{change}\n"));
    let text = lines.collect();
    run::run("preflight", &steps, &node, &Silent).unwrap();
    assert!(Plan::make(&steps, &node).unwrap().is_empty());
    assert!(!Journal::open(&node).unwrap().owned().is_empty());
    (text, programs)
}

fn verdict(facts: &Facts, circumstances: &Circumstances, id: &str) -> Verdict {
    let report = examine(facts, circumstances, &Policy::default());
    let finding: Option<&Finding> = report.findings.iter().find(|finding| finding.id == id);
    finding.unwrap().verdict
}

#[test]
fn what_can_be_mended_passes_once_it_was_and_that_is_foreseen() {
    let machine = Machine::new("ubuntu-22.04-gpu");
    let circumstances = Circumstances::usual(Role::Server);
    let (before, found) = (machine.facts(), mendings(&machine.facts(), &circumstances));
    let foreseen = mend::foresee(&before, &found);
    let (plan, _) = mend(&machine, &found);
    insta::assert_snapshot!("plan-of-mending", plan);
    let after = machine.facts();
    for id in ["S1", "S6", "S9"] {
        assert_eq!(verdict(&after, &circumstances, id), Verdict::Passed, "{id}");
        assert_eq!(verdict(&foreseen, &circumstances, id), Verdict::Passed, "{id}");
    }
    assert_eq!(verdict(&before, &circumstances, "S1"), Verdict::Failed);
    assert_eq!(after.previous.marked, [mend::MODULES_FILE, mend::SYSCTL_FILE]);
    let left = mendings(&after, &circumstances);
    assert!(left.iter().all(|mending| matches!(mending, Mending::Module(_))), "{left:?}");
}

#[test]
fn a_machine_that_was_mended_is_no_node_yet() {
    let machine = Machine::new("ubuntu-22.04-gpu");
    let circumstances = Circumstances::usual(Role::Server);
    mend(&machine, &mendings(&machine.facts(), &circumstances));
    assert!(!machine.facts().previous.ours, "k3s that is found there is somebody else's");
}

#[test]
fn a_machine_without_a_default_route_gets_one_that_leads_nowhere() {
    let machine = Machine::new("debian-12-server");
    fs_err::write(machine.path("/proc/net/route"), "").unwrap();
    let (facts, circumstances) = (machine.facts(), Circumstances::usual(Role::Agent));
    let found = mendings(&facts, &circumstances);
    let route = Mending::DefaultRoute { ip: "/usr/sbin/ip".to_owned(), link: "dummy" };
    assert!(found.contains(&route), "{found:?}");
    assert_eq!(verdict(&facts, &circumstances, "W1"), Verdict::Failed);
    assert_eq!(verdict(&mend::foresee(&facts, &found), &circumstances, "W1"), Verdict::Passed);
    let (_, programs) = mend(&machine, &[route]);
    let calls = [
        "enable --quiet --no-reload airlock-default-route.service",
        "daemon-reload",
        "restart airlock-default-route.service",
    ];
    assert_eq!(*programs.calls.lock().unwrap(), calls.map(|call| format!("systemctl {call}")));
    let unit = fs_err::read_to_string(machine.path(mend::ROUTE_UNIT)).unwrap();
    insta::assert_snapshot!("unit-of-the-route", unit);
    assert_eq!(machine.facts().previous.marked, [mend::ROUTE_UNIT]);
}

#[test]
fn a_kernel_without_dummy_interfaces_has_bridges() {
    let machine = Machine::new("debian-12-server");
    fs_err::write(machine.path("/proc/net/route"), "").unwrap();
    let mut facts = machine.facts();
    facts.kernel.modules.insert("dummy".to_owned(), ModuleState::Absent);
    let found = mendings(&facts, &Circumstances::usual(Role::Agent));
    let route = Mending::DefaultRoute { ip: "/usr/sbin/ip".to_owned(), link: "bridge" };
    assert!(found.contains(&route), "{found:?}");
    mend(&machine, &[route]);
    let unit = fs_err::read_to_string(machine.path(mend::ROUTE_UNIT)).unwrap();
    assert!(unit.contains("link add airlock-route type bridge\n"), "{unit}");
}
