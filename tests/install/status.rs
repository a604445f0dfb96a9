//! How a node is: after its installation, while something is wrong, and where there is none.

use airlock::node::facts::Gpu;
use airlock::node::journal::{Entry, Journal};
use airlock::node::registry::peer::Network;
use airlock::node::reset::{Reset, Spared};
use airlock::node::run;
use airlock::node::status::{Ending, Status, Surroundings};
use airlock::progress::Silent;
use jiff::{SignedDuration, Timestamp};

use super::machine::Host;

fn status_at(host: &Host, now: Timestamp) -> Status {
    let network = Network::quiet(host.systemd.runtime().clone());
    let surroundings = Surroundings { network: &network, gpu: &Gpu::default(), addresses: &[], now };
    Status::of(&host.machine, &surroundings).unwrap()
}

pub fn status(host: &Host) -> Status {
    status_at(host, Timestamp::now())
}

fn problems(status: &Status) -> Vec<&str> {
    status.problems.iter().map(|problem| problem.text.as_str()).collect()
}

#[test]
fn a_node_that_works_has_no_problems() {
    let host = Host::new();
    host.install(false).unwrap();
    let status = status(&host);
    assert_eq!(problems(&status), [] as [&str; 0]);
    assert!(status.is_node && status.unreadable.is_empty(), "{:?}", status.unreadable);
    assert_eq!((status.bundles[0].serial, status.bundles[0].name.as_deref()), (7, Some("golden-1.0")));
    let registry = status.registry.unwrap();
    assert_eq!((registry.answers, registry.bundles, registry.images), (Some(true), Some(1), Some(1)));
    assert!(status.cluster.unwrap().ready && status.storage.unwrap().store > 0);
    let names: Vec<_> = status.services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, ["airlock-registry.service", "k3s.service"]);
    assert_eq!(status.last_run.unwrap().ending, Ending::Finished);
}

#[test]
fn after_a_power_cut_everything_that_is_down_is_told() {
    let host = Host::new();
    host.install(false).unwrap();
    let steps = host.steps(false);
    let mut journal = Journal::open(&host.machine).unwrap();
    let run = Entry::Run {
        command: "install".to_owned(),
        version: "1".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
    };
    journal.add(run).unwrap();
    journal.add(Entry::Begin { step: steps[1].name().to_owned() }).unwrap();
    host.systemd.cut_power();
    let status = status(&host);
    let problems = problems(&status);
    assert_eq!(problems[0], "the last install was interrupted in step signers");
    assert_eq!(problems[1..3], ["airlock-registry.service is inactive", "k3s.service is inactive"]);
    assert!(problems[3].starts_with("no registry answers at https://127.0.0.1:"), "{problems:?}");
    assert!(problems[4].ends_with("is ready: no server"), "{problems:?}");
    assert_eq!(status.problems[0].help, "run `sudo airlock install` again; it continues");
}

#[test]
fn a_clock_that_stands_before_what_has_been_is_worth_a_warning() {
    let host = Host::new();
    host.install(false).unwrap();
    let status = status_at(&host, Timestamp::now() - SignedDuration::from_hours(48));
    assert!(status.warnings[0].text.starts_with("the clock of this machine says"), "{:?}", status.warnings);
    assert!(status.problems.is_empty());
}

#[test]
fn where_airlock_is_not_there_is_nothing_to_complain_about() {
    let host = Host::new();
    let nothing = status(&host);
    assert!(!nothing.is_node && nothing.problems.is_empty() && nothing.warnings.is_empty());
    host.install(false).unwrap();
    let spared = Spared { store: true, ..Spared::default() };
    let reset = Reset::of(&host.machine, spared).unwrap().unwrap();
    run::run("reset", &reset.steps(), &host.machine, &Silent).unwrap();
    let left = status(&host);
    assert!(!left.is_node && left.problems.is_empty());
    assert!(left.last_run.unwrap().is_reset());
}

#[test]
fn what_is_damaged_is_listed_and_the_rest_is_told() {
    let host = Host::new();
    host.install(false).unwrap();
    for path in ["/var/lib/airlock/state.json", "/var/lib/airlock/settings.json"] {
        fs_err::write(host.machine.path(path), "{").unwrap();
    }
    let status = status(&host);
    assert_eq!(status.unreadable.len(), 2, "{:?}", status.unreadable);
    assert!(status.identity.is_none() && status.registry.is_none());
    assert_eq!(status.services.len(), 2, "those that are there");
}
