//! Deployments from survey to report, on hosts that are simulated: they install what they are told to, fail, restart
//! and go away.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use self::world::{Fate, World};
use super::*;
use crate::bundle::manifest::apt::example;
use crate::cluster::inventory::Role;
use crate::cluster::inventory::tests::inventory;
use crate::cluster::order::Trust;
use crate::cluster::pause::tests::Hurry;
use crate::cluster::plan::{self, Medium};
use crate::cluster::report::{Report, State};
use crate::cluster::survey::conduct::Surveyor;
use crate::oci::digest::Digest;
use crate::progress::Silent;

fn cluster(names: &[&str], servers: usize) -> Inventory {
    let mut inventory = inventory(names);
    for host in inventory.hosts.iter_mut().take(servers) {
        (host.role, host.has_registry) = (Role::Server, true);
    }
    inventory
}

/// Survey, plan and deployment, as the command does them.
fn deploy(world: &World, inventory: &Inventory, restart: bool, stop: &AtomicBool) -> (ClusterPlan, Report) {
    deploy_some(world, inventory, None, restart, stop)
}

/// The same for the hosts that are meant.
fn deploy_some(
    world: &World,
    inventory: &Inventory,
    limit: Option<&[String]>,
    restart: bool,
    stop: &AtomicBool,
) -> (ClusterPlan, Report) {
    let terms = Terms { trust: Trust::Signer("SHA256:abc".to_owned()), ..Terms::as_before() };
    let manifest = example::manifest(Vec::new());
    let digest = Digest::of(b"manifest");
    let surveyor = Surveyor {
        inventory,
        connect: world,
        manifest: &manifest,
        digest,
        terms: &terms,
        progress: &Silent,
        stop,
        pause: &Hurry::new(),
    };
    let survey = surveyor.survey();
    let plan = plan::plan(inventory, &survey, &Medium::of(&manifest, digest), &[], limit);
    let (ledger, begun) = (Ledger::default(), Timestamp::now());
    let deployment = Deployment {
        inventory,
        survey: &survey,
        plan: &plan,
        connect: world,
        carrier: world,
        terms: &terms,
        restart,
        batch: 50,
        progress: &Silent,
        stop,
        pause: &Hurry::new(),
        ledger: &ledger,
    };
    deployment.run();
    let report = ledger.report(&plan, begun, stop.load(Ordering::Relaxed));
    (plan, report)
}

fn run(world: &World, inventory: &Inventory) -> (ClusterPlan, Report) {
    deploy(world, inventory, false, &AtomicBool::new(false))
}

fn states(report: &Report) -> String {
    let line = |host: &crate::cluster::report::HostReport| {
        let error = host.error.as_ref().map(|error| format!(" {}: {}", error.code, error.message));
        format!("{} {:?}{}\n", host.host, host.state, error.unwrap_or_default())
    };
    report.hosts.iter().map(line).collect()
}

#[test]
fn servers_come_one_after_the_other_and_a_second_run_has_nothing_to_do() {
    let inventory = cluster(&["s1", "s2", "s3", "w1", "w2"], 3);
    let world = World::of(&inventory);
    let (_, report) = run(&world, &inventory);
    assert!(report.hosts.iter().all(|host| host.state == State::Installed), "{}", states(&report));
    assert!(report.error().is_none());
    let mut installed = world.installed();
    installed[5..].sort();
    insta::assert_snapshot!(installed.join("\n"), @r"
    s1 from its store, joins nobody, knows 0
    s2 from https://10.0.0.1:5443, joins https://10.0.0.1:6443, knows 1
    s3 from https://10.0.0.1:5443, joins https://10.0.0.1:6443, knows 2
    s1 from its store, joins nobody, knows 2
    s2 from https://10.0.0.1:5443, joins https://10.0.0.1:6443, knows 2
    w1 from https://10.0.0.1:5443, joins https://10.0.0.1:6443, knows 3
    w2 from https://10.0.0.1:5443, joins https://10.0.0.1:6443, knows 3
    ");
    assert_eq!(world.sent(), ["s1"], "the bundle goes over the wire once");
    world.forget();
    let (plan, report) = run(&world, &inventory);
    assert!(plan.is_empty() && report.error().is_none(), "{}", states(&report));
    assert_eq!((world.installed(), world.sent()), (Vec::<String>::new(), Vec::<String>::new()));
}

#[test]
fn what_a_broken_connection_has_left_is_waited_for_and_the_work_of_others_is_not() {
    let inventory = cluster(&["s1", "w1", "w2"], 1);
    let world = World::of(&inventory);
    world.let_be_busy("s1", 5);
    world.let_be_busy("w2", u32::MAX);
    let (_, report) = run(&world, &inventory);
    insta::assert_snapshot!(states(&report), @r"
    s1 Installed
    w1 Installed
    w2 LeftOut E1036: `airlock node receive` (process 7, since 2026-05-04T12:00:00Z) is changing w2
    ");
}

#[test]
fn a_server_that_fails_keeps_further_servers_out_and_nobody_else() {
    let inventory = cluster(&["s1", "s2", "s3", "w1"], 3);
    let world = World::of(&inventory);
    world.let_it("s2", Fate::Fail);
    let (_, report) = run(&world, &inventory);
    insta::assert_snapshot!(states(&report), @r"
    s1 Installed
    s2 Failed E1038: k3s does not start
    s3 LeftOut E1168: no further server is let in after s2 has failed
    w1 Installed
    ");
    let error = report.error().unwrap();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::FLEET_PARTIAL, 9));
    assert!(error.details()[0].contains("E1038"), "{:?}", error.details());
    world.let_it("s2", Fate::Work);
    let (_, report) = run(&world, &inventory);
    assert!(report.error().is_none(), "{}", states(&report));
    assert!(run(&world, &inventory).0.is_empty());
}

#[test]
fn a_host_that_is_away_or_goes_away_does_not_stop_the_others() {
    let inventory = cluster(&["s1", "w1", "w2", "w3"], 1);
    let world = World::of(&inventory);
    world.let_it("w1", Fate::BeAway);
    world.let_it("w2", Fate::Vanish);
    let (_, report) = run(&world, &inventory);
    insta::assert_snapshot!(states(&report), @r"
    s1 Installed
    w1 LeftOut E1120: w1 is away
    w2 Failed E1120: w2 is away
    w3 Installed
    ");
    world.let_it("w1", Fate::Work);
    world.let_it("w2", Fate::Work);
    world.forget();
    let (_, report) = run(&world, &inventory);
    assert!(report.error().is_none(), "{}", states(&report));
    let hosts: Vec<String> = world.installed().iter().map(|line| line[..2].to_owned()).collect();
    assert!(!hosts.contains(&"s1".to_owned()) && !hosts.contains(&"w3".to_owned()), "{hosts:?}");
}

#[test]
fn without_the_first_server_the_others_wait() {
    let inventory = cluster(&["s1", "w1"], 1);
    let world = World::of(&inventory);
    world.let_it("s1", Fate::Fail);
    let (_, report) = run(&world, &inventory);
    insta::assert_snapshot!(states(&report), @r"
    s1 Failed E1038: k3s does not start
    w1 LeftOut E1168: it joins s1, which is not there yet
    ");
    world.let_it("s1", Fate::Work);
    assert!(run(&world, &inventory).1.error().is_none());
}

#[test]
fn a_host_that_needs_a_restart_gets_one_if_that_is_wanted() {
    let inventory = cluster(&["s1", "w1"], 1);
    let world = World::of(&inventory);
    world.let_it("w1", Fate::NeedRestart);
    let (_, report) = run(&world, &inventory);
    insta::assert_snapshot!(states(&report), @r"
    s1 Installed
    w1 Failed E1162: w1 has to be restarted (step nouveau); afterwards its installation goes on by itself
    ");
    let (_, report) = deploy(&world, &inventory, true, &AtomicBool::new(false));
    assert!(report.error().is_none(), "{}", states(&report));
    assert_eq!(report.hosts[1].steps, ["nouveau", "k3s"]);
}

#[test]
fn a_host_that_wants_restart_after_restart_is_given_up() {
    let inventory = cluster(&["s1"], 1);
    let world = World::of(&inventory);
    world.let_it("s1", Fate::NeedRestarts);
    let (_, report) = deploy(&world, &inventory, true, &AtomicBool::new(false));
    insta::assert_snapshot!(states(&report), @"s1 Failed E1162: s1 was restarted 3 times, and wants to be again (step nouveau)");
}

#[test]
fn an_agent_alone_knows_all_registries_as_it_does_with_the_others() {
    let before = cluster(&["s1", "s2", "s3"], 3);
    let inventory = cluster(&["s1", "s2", "s3", "w1"], 3);
    let world = World::of(&inventory);
    assert!(run(&world, &before).1.error().is_none());
    world.forget();
    let only = ["w1".to_owned()];
    let (_, report) = deploy_some(&world, &inventory, Some(&only), false, &AtomicBool::new(false));
    assert!(report.error().is_none(), "{}", states(&report));
    let installed = world.installed();
    assert_eq!(installed, ["w1 from https://10.0.0.1:5443, joins https://10.0.0.1:6443, knows 3"]);
    // Four hosts share images, and three do; so nothing is the same but what w1 is.
    let plan = run(&world, &inventory).0;
    assert_eq!(plan.host("w1").unwrap().work, Work::Nothing);
}

#[test]
fn a_new_server_is_let_in_beside_those_that_know_each_other() {
    let three = cluster(&["s1", "s2", "s3"], 3);
    let four = cluster(&["s1", "s2", "s3", "s4"], 4);
    let world = World::of(&four);
    assert!(run(&world, &three).1.error().is_none());
    world.forget();
    assert!(run(&world, &four).1.error().is_none());
    let fewest = world.installed().into_iter().filter(|line| line.contains("knows 1")).collect::<Vec<_>>();
    assert_eq!(fewest, Vec::<String>::new(), "nobody forgets a registry on the way");
    assert!(run(&world, &four).0.is_empty());
}

#[test]
fn whoever_stops_it_hears_who_was_not_begun() {
    let inventory = cluster(&["s1", "w1", "w2"], 1);
    let stop = Arc::new(AtomicBool::new(false));
    let world = World::of(&inventory);
    world.stop_after("s1", &stop);
    let (_, report) = deploy(&world, &inventory, false, &stop);
    let error = report.error().unwrap();
    assert_eq!(error.kind().exit_status(), 130);
    assert!(error.details().iter().any(|line| line.starts_with("w1: ")), "{:?}", error.details());
    assert_eq!(world.installed().len(), 1, "nobody is begun after that");
    world.let_it("s1", Fate::Work);
    assert!(run(&world, &inventory).1.error().is_none());
}

#[test]
fn who_stops_it_when_all_is_done_has_stopped_nothing() {
    let inventory = cluster(&["s1"], 1);
    let stop = Arc::new(AtomicBool::new(false));
    let world = World::of(&inventory);
    world.stop_after("s1", &stop);
    let (_, report) = deploy(&world, &inventory, false, &stop);
    assert!(report.interrupted && report.error().is_none(), "{}", states(&report));
}

#[test]
fn the_token_goes_over_standard_input_alone() {
    let mut inventory = cluster(&["s1", "s2", "w1"], 1);
    inventory.cluster.token = Some(Secret::new("canary-of-the-inventory".to_owned()));
    let world = World::of(&inventory);
    let (plan, report) = run(&world, &inventory);
    assert!(report.error().is_none());
    let mut tokens = world.tokens();
    tokens.sort();
    assert_eq!(tokens, ["s1 canary-of-the-inventory", "s2 K10::canary", "w1 K10::canary"]);
    let told = format!("{:?} {plan:?} {}", world.everything_said(), serde_json::to_string(&report).unwrap());
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn twenty_agents_join_side_by_side() {
    let names: Vec<String> =
        std::iter::once("s1".to_owned()).chain((1..=20).map(|index| format!("w{index:02}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let inventory = cluster(&names, 1);
    let world = World::of(&inventory);
    // All of them are at work before the first one ends.
    world.meet(20);
    let (_, report) = run(&world, &inventory);
    assert!(report.error().is_none(), "{}", states(&report));
}
