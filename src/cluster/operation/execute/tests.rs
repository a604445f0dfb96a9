//! Plans that are carried out, on hosts that answer from a list.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::cluster::hearsay::tests::Heard;
use crate::cluster::operation::site::tests::{GO_ON, Rack, inventory};
use crate::cluster::operation::{OutOfReach, Stage};
use crate::cluster::pause::tests::Hurry;
use crate::cluster::remote::tests::Scripted;
use crate::progress::Silent;

fn run(node: &str, words: &str) -> Action {
    Action::run(words, Place::host(node), Invocation::airlock(words.split(' ')))
}

fn rack() -> Rack {
    let host = || Scripted::default().with("airlock", "").failing("airlock break", 1, "it is broken");
    Rack::default().with("s1", host()).with("a1", host()).with("a2", host())
}

fn report(plan: &Plan, rack: &Rack) -> Report {
    let inventory = inventory(1, 2);
    execute(plan, &Site::new(&inventory, rack, &GO_ON), Means::default(), &Silent)
}

#[test]
fn a_failure_ends_its_part_and_no_other() {
    let parts = vec![
        Part::new("a1", vec![run("a1", "break"), run("a1", "next")]),
        Part::new("a2", vec![run("a2", "one"), run("a2", "two")]),
    ];
    let plan = Plan::new("test")
        .with(Stage::side_by_side(parts, 30))
        .with(Stage::side_by_side(vec![Part::new("s1", vec![run("s1", "last")])], 1));
    let rack = rack();
    let report = report(&plan, &rack);
    assert_eq!(rack.asked("a1"), ["airlock break"]);
    assert_eq!(rack.asked("a2"), ["airlock one", "airlock two"]);
    assert_eq!(rack.asked("s1"), ["airlock last"]);
    let error = report.into_result().unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::FLEET_PARTIAL, 9));
    assert_eq!(error.message(), "test has failed on 1 of 3 nodes");
    assert!(error.details().iter().any(|line| line == "a1:   it is broken"), "{:?}", error.details());
}

#[test]
fn nothing_is_begun_after_what_was_essential() {
    let plan = Plan::new("test")
        .with(Stage::essential(Part::new("s1", vec![run("s1", "break")])))
        .with(Stage::side_by_side(vec![Part::new("a1", vec![run("a1", "one")])], 1));
    let rack = rack();
    let report = report(&plan, &rack);
    assert_eq!(report.nodes[1].ending, Ending::NotBegun);
    assert!(rack.asked("a1").is_empty());
}

#[test]
fn the_way_back_is_gone_and_the_only_error_is_told_as_it_is() {
    let mut part = Part::new("s1", vec![run("s1", "one"), run("s1", "break")]);
    part.way_back = vec![run("s1", "back")];
    let rack = rack();
    let report = report(&Plan::new("test").with(Stage::essential(part)), &rack);
    assert_eq!(rack.asked("s1"), ["airlock one", "airlock break", "airlock back"]);
    assert_eq!((report.nodes[0].ending, report.nodes[0].done.len()), (Ending::TakenBack, 1));
    let error = report.into_result().unwrap_err();
    assert_eq!(error.code(), codes::REMOTE_COMMAND);
    assert_eq!(error.details(), ["it is broken", "while it was to break"]);
}

#[test]
fn who_interrupts_hears_how_far_it_came() {
    let stages =
        [run("s1", "one"), run("s1", "two")].map(|action| Stage::essential(Part::new("s1", vec![action])));
    let last = Stage::side_by_side(vec![Part::new("a1", vec![run("a1", "one")])], 1);
    let plan = stages.into_iter().fold(Plan::new("upgrade"), Plan::with).with(last);
    let (rack, inventory, stop) = (rack(), inventory(1, 2), AtomicBool::new(false));
    let site = Site::new(&inventory, &rack, &stop);
    let report = execute(&plan, &site, Means::default(), &Stopping(&stop));
    let endings: Vec<(Ending, usize)> =
        report.nodes.iter().map(|node| (node.ending, node.done.len())).collect();
    assert_eq!(endings, [(Ending::BrokenOff, 0), (Ending::NotBegun, 0)]);
    let error = report.into_result().unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::INTERRUPTED, 130));
}

/// Somebody who stops as soon as anything is begun.
struct Stopping<'a>(&'a AtomicBool);

impl Progress for Stopping<'_> {
    fn event(&self, _: Event<'_>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_installation_that_waits_for_a_restart_is_not_done_and_not_taken_back() {
    let mut part = Part::new("s1", vec![run("s1", "install --yes")]);
    part.way_back = vec![run("s1", "back")];
    let waits = r#"{"changed": [], "rebootFor": "nouveau"}"#;
    let rack = Rack::default().with("s1", Scripted::default().with("airlock install", waits));
    let error = report(&Plan::new("test").with(Stage::essential(part)), &rack).into_result().unwrap_err();
    assert_eq!((error.code(), rack.asked("s1").len()), (codes::HOST_RESTART, 1));
    assert!(error.message().starts_with("s1 has to be restarted (step nouveau)"), "{}", error.message());
}

#[test]
fn what_is_left_to_do_by_hand_is_told_at_the_end() {
    let mut plan = Plan::new("remove");
    plan.by_hand.push("reset a3".to_owned());
    assert_eq!(report(&plan, &rack()).by_hand, ["reset a3"]);
}

#[test]
fn hosts_that_cannot_be_reached_are_failures() {
    let mut plan = Plan::new("reset");
    plan.out_of_reach.push(OutOfReach { host: "a1".to_owned(), why: "a1 does not answer".to_owned() });
    let error = report(&plan, &rack()).into_result().unwrap_err();
    assert_eq!((error.code(), error.message()), (codes::NOT_REACHED, "a1 does not answer"));
}

#[test]
fn a_host_that_is_busy_is_waited_for() {
    let code = codes::NODE_BUSY.to_string();
    let busy =
        serde_json::json!({"code": code, "message": "busy", "details": [], "causes": [], "help": "wait"});
    let status = r#"{"isNode": true, "running": {"pid": 7, "command": "recover start", "since": "now"}}"#;
    let host = Scripted::default().failing("airlock break", 10, &busy.to_string());
    let rack = Rack::default().with("s1", host.with("airlock node status", status));
    let plan = Plan::new("test").with(Stage::essential(Part::new("s1", vec![run("s1", "break")])));
    let (inventory, pause, told) = (inventory(1, 0), Hurry::new(), Heard::default());
    let mut site = Site::new(&inventory, &rack, &GO_ON);
    site.pause = &pause;
    let error = execute(&plan, &site, Means::default(), &told).into_result().unwrap_err();
    assert_eq!(error.code(), codes::NODE_BUSY, "it does not end in an hour: {error:?}");
    assert_eq!(pause.longest().as_secs(), 3600);
    let told = told.0.into_inner().unwrap();
    let waits = told.iter().filter(|event| event.contains("Wait for `airlock recover start` (process 7)"));
    assert_eq!(waits.count(), 1, "{told:?}");
}
