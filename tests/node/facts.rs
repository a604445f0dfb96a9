//! Facts of described machines, and what holds for the facts of any machine.

use airlock::node::facts::{Facts, Request, status_text};
use airlock::node::preflight::{Circumstances, GpuWish, Policy, Role, examine};
use proptest::prelude::*;
use serde_json::Value;

use crate::machines::{ALL, Machine};

fn round_trip(facts: &Facts) -> Facts {
    serde_json::from_str(&serde_json::to_string(facts).unwrap()).unwrap()
}

#[test]
fn every_machine_is_known_for_what_it_is() {
    for name in ALL {
        let mut facts = Machine::new(name).facts();
        assert_eq!(round_trip(&facts), facts, "{name}");
        facts.airlock = "VERSION".to_owned();
        insta::assert_snapshot!(name.replace('.', "-"), serde_json::to_string_pretty(&facts).unwrap());
    }
}

#[test]
fn facts_keep_to_their_schema() {
    let schema = jsonschema::validator_for(&Facts::schema()).unwrap();
    for name in ALL {
        let request = Request { packages: true, directories: vec!["/srv/data".into()] };
        let mut facts = serde_json::to_value(Machine::new(name).facts_for(&request)).unwrap();
        let faults: Vec<String> = schema.iter_errors(&facts).map(|error| error.to_string()).collect();
        assert_eq!(faults, [""; 0], "{name}");
        facts["format"] = Value::from("1");
        assert!(!schema.is_valid(&facts));
    }
}

#[test]
fn the_password_of_a_proxy_is_not_told() {
    let facts = Machine::new("ubuntu-22.04-gpu").facts();
    assert!(!facts.network.proxies.is_empty());
    assert!(!serde_json::to_string(&facts).unwrap().contains("hunter2"));
}

#[test]
fn packages_are_listed_when_they_are_asked_for_and_are_a_status_file_again() {
    let machine = Machine::new("debian-12-server");
    assert!(machine.facts().packages.installed.is_none());
    let facts = machine.facts_for(&Request { packages: true, directories: Vec::new() });
    let listed = round_trip(&facts).packages.installed.unwrap();
    let status = status_text(&listed);
    let node = airlock::debian::baseline::of_node(status.as_bytes()).unwrap();
    let names: Vec<&str> = node.packages.iter().map(|package| package.name).collect();
    assert_eq!(names, ["apt", "iptables", "libc6"]);
}

#[test]
fn what_an_installation_of_ours_left_is_ours() {
    let machine = Machine::new("debian-12-server");
    let write = |path: &str, text: &str| {
        let path = machine.path(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    write("/var/lib/rancher/k3s/server/token", "x");
    write("/etc/systemd/system/k3s.service", "# Written by airlock\n[Unit]\n");
    let without_journal = machine.facts().previous;
    assert!(!without_journal.ours && without_journal.leftovers.iter().all(|left| !left.ours));
    let run = |command: &str| {
        format!(
            "{{\"event\":\"run\",\"command\":\"{command}\",\"version\":\"1\",\"at\":\"2026-01-01T00:00:00Z\"}}\n"
        )
    };
    write("/var/lib/airlock/journal", &run("preflight"));
    assert!(!machine.facts().previous.ours, "putting settings right makes no node of a machine");
    write("/var/lib/airlock/journal", &(run("preflight") + &run("install")));
    let previous = machine.facts().previous;
    assert!(previous.ours && previous.leftovers.len() > 1 && previous.leftovers.iter().all(|left| left.ours));
    assert_eq!(previous.marked, ["/etc/systemd/system/k3s.service"]);
    write("/etc/systemd/system/k3s.service", "[Unit]\n");
    assert!(!machine.facts().previous.ours, "somebody else has installed k3s since");
}

#[test]
fn packages_that_are_held_by_an_installation_are_not_the_administrators() {
    let machine = Machine::new("ubuntu-22.04-gpu");
    let kernel = "linux-image-5.15.0-91-generic";
    assert_eq!(machine.facts().packages.held, [kernel]);
    let journal = machine.path("/var/lib/airlock/journal");
    fs_err::create_dir_all(journal.parent().unwrap()).unwrap();
    let line = |event: &str| {
        format!("{{\"event\":\"{event}\",\"owned\":{{\"kind\":\"hold\",\"name\":\"{kernel}\"}}}}\n")
    };
    fs_err::write(&journal, line("owns")).unwrap();
    assert_eq!(machine.facts().packages.held, [""; 0]);
    fs_err::write(&journal, line("owns") + &line("disowns")).unwrap();
    assert_eq!(machine.facts().packages.held, [kernel]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn whatever_stands_in_files_gives_facts_that_can_be_read_again(
        machine in 0..ALL.len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), damaged()), 1..12),
    ) {
        let machine = Machine::new(ALL[machine]);
        let files = machine.files();
        for (index, (bytes, keep)) in damage {
            let path = index.get(&files);
            if let Ok(old) = fs_err::read(path) {
                let kept = &old[..old.len() * usize::from(keep) / 255];
                fs_err::write(path, [kept, &bytes].concat()).unwrap();
            }
        }
        let facts = machine.facts_for(&Request { packages: true, directories: Vec::new() });
        prop_assert_eq!(round_trip(&facts), facts.clone());
        for role in [Role::Server, Role::Agent] {
            let circumstances = Circumstances { gpu: GpuWish::Yes, ..Circumstances::usual(role) };
            let report = examine(&facts, &circumstances, &Policy::default());
            prop_assert!(report.findings.len() > 60);
        }
    }
}

/// What is written into a file, and how much of it stays before that.
fn damaged() -> impl Strategy<Value = (Vec<u8>, u8)> {
    let lines = "([0-9A-Fa-f:./=\" \t-]{0,12}\n?){0,6}".prop_map(String::into_bytes);
    (prop_oneof![proptest::collection::vec(any::<u8>(), 0..80), lines], any::<u8>())
}
