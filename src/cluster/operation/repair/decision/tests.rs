//! What is decided for nodes in various states.

use super::*;
use crate::cluster::operation::etcd::tests::{running, stopped};
use crate::cluster::operation::samples::{agent, dead, server};
use crate::error::codes;
use crate::node::k3s::failure::FAILURES;
use crate::node::recovery::Failure;

fn failing(look: Look, says: &str) -> Look {
    let failure = Failure { says: says.to_owned(), cause: "told".to_owned(), fix: String::new() };
    Look { failure: Some(failure), active: "activating".to_owned(), ..look }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn patient<'a>(name: &'a str, look: &'a Look, nodes: Option<&'a [Node]>) -> Patient<'a> {
    let role = if name.starts_with('s') { Role::Server } else { Role::Agent };
    Patient {
        role,
        look: Ok(look),
        status: None,
        expired: Vec::new(),
        nodes,
        name,
        servers: 3,
        with_data: names(&["s1", "s2", "s3"]),
        made_anew: None,
        snapshot: None,
    }
}

fn decision(patient: &Patient<'_>) -> Decision {
    decide(patient).unwrap().decision
}

fn held() -> Held {
    Held { server: "s1".to_owned(), snapshot: running(1).snapshots.remove(0) }
}

#[test]
fn in_a_cluster_that_answers() {
    let nodes = [agent("a1"), server("s1"), server("s2"), dead(server("s3"))];
    let nodes = Some(&nodes[..]);
    let up = running(3);
    let agent_up = Look { has_etcd: false, ..running(1) };
    assert_eq!(decision(&patient("a1", &agent_up, nodes)), Decision::Well);
    assert_eq!(decision(&patient("a1", &stopped(agent_up.clone()), nodes)), Decision::Reinstall);
    let rejected = failing(agent_up.clone(), "Node password rejected, duplicate hostname");
    assert_eq!(decision(&patient("a1", &rejected, nodes)), Decision::ForgetPassword);
    assert_eq!(decision(&patient("s3", &up, nodes)), Decision::Reinstall, "it is not ready");
    let gone = failing(up.clone(), "this server is not a member of the etcd cluster");
    assert_eq!(decision(&patient("s3", &gone, nodes)), Decision::ReplaceMember);
    let empty = stopped(Look { has_etcd: false, ..up.clone() });
    assert_eq!(decision(&patient("s3", &empty, nodes)), Decision::ReplaceMember);
    let noted = |name: &str, value: &str| {
        let annotations = [(format!("etcd.k3s.cattle.io/{name}"), value.to_owned())].into();
        [server("s1"), server("s2"), Node { annotations, ..server("s3") }]
    };
    let same = noted("node-name", "s3-0123abcd");
    assert_eq!(decision(&patient("s3", &up, Some(&same))), Decision::Well);
    for other in [noted("node-name", "s3-ffffffff"), noted("removed-node-name", "s3-0123abcd")] {
        assert_eq!(decision(&patient("s3", &up, Some(&other))), Decision::ReplaceMember);
    }
    let expired = Patient { expired: vec!["client-admin.crt".to_owned()], ..patient("s3", &up, nodes) };
    assert_eq!(decision(&expired), Decision::RenewCertificates);
    let silent = Patient { look: Err("no answer".to_owned()), ..patient("s3", &up, nodes) };
    assert_eq!(decision(&silent), Decision::OutOfReach);
}

#[test]
fn a_member_is_not_replaced_where_the_others_need_it() {
    let nodes = [server("s1"), dead(server("s2")), dead(server("s3"))];
    let gone = failing(running(1), "this server is not a member of the etcd cluster");
    let error = decide(&patient("s1", &gone, Some(&nodes))).unwrap_err();
    assert_eq!(error.code(), codes::QUORUM);
}

#[test]
fn where_no_server_answers() {
    let down = stopped(running(1));
    assert_eq!(decision(&patient("s1", &down, None)), Decision::Start, "enough of them only have to start");
    let alone = Patient { with_data: names(&["s1"]), ..patient("s1", &down, None) };
    assert_eq!(decision(&alone), Decision::ResetEtcd);
    let empty = Look { has_etcd: false, ..down };
    let with = |snapshot| Patient { with_data: Vec::new(), snapshot, ..patient("s1", &empty, None) };
    assert_eq!(decision(&with(Some(held()))), Decision::RestoreSnapshot(Box::new(held())));
    assert_eq!(decision(&with(None)), Decision::OutOfReach);
    assert_eq!(decision(&patient("a1", &empty, None)), Decision::OutOfReach);
}

#[test]
fn the_log_is_searched_for_everything_that_decides() {
    for text in LOST_MEMBER.iter().chain([&PASSWORD]) {
        assert!(FAILURES.iter().any(|failure| failure.says.contains(text)), "{text}");
    }
}

#[test]
fn data_of_others_are_not_given_up_for_a_server_that_has_none() {
    let empty = stopped(Look { has_etcd: false, ..running(3) });
    let with = |with_data: &[&str], look| {
        let snapshot = Some(held());
        Patient { with_data: names(with_data), snapshot, ..patient("s3", look, None) }
    };
    assert_eq!(decision(&with(&["s1", "s2"], &empty)), Decision::OutOfReach);
    let told = decide(&with(&["s2"], &empty)).unwrap();
    assert_eq!(told.decision, Decision::OutOfReach);
    assert!(told.reasons[1].contains("`airlock cluster repair s2` first"), "{told:?}");
    let gone = failing(running(3), "this server is not a member of the etcd cluster");
    assert_eq!(decision(&with(&["s1", "s2", "s3"], &gone)), Decision::OutOfReach);
}

#[test]
fn a_server_that_a_restore_has_left_behind_joins_anew() {
    let nodes = [server("s1"), server("s2"), dead(server("s3"))];
    let at = |time: &str| Some(time.parse().unwrap());
    let old = Look { member_since: at("2026-01-01T00:00:00Z"), ..stopped(running(3)) };
    let made_anew = at("2026-02-01T00:00:00Z");
    let behind = Patient { made_anew, ..patient("s3", &old, Some(&nodes)) };
    assert_eq!(decision(&behind), Decision::ReplaceMember);
    let new = Look { member_since: at("2026-02-02T00:00:00Z"), ..old.clone() };
    assert_eq!(decision(&Patient { look: Ok(&new), ..behind }), Decision::Reinstall);
    let well = [server("s1"), server("s2"), server("s3")];
    let up = Look { member_since: old.member_since, ..running(3) };
    let clocks_differ = Patient { made_anew, ..patient("s3", &up, Some(&well)) };
    assert_eq!(decision(&clocks_differ), Decision::Well);
}

#[test]
fn another_host_of_the_same_name_is_not_thrown_out() {
    let rejected =
        failing(Look { has_etcd: false, ..running(9) }, "Node password rejected, duplicate hostname");
    let at = |address: &str| [Node { address: Some(address.parse().unwrap()), ..agent("a1") }];
    assert_eq!(decision(&patient("a1", &rejected, Some(&at("10.0.0.9")))), Decision::ForgetPassword);
    let told = decide(&patient("a1", &rejected, Some(&at("10.0.0.7")))).unwrap();
    assert_eq!(told.decision, Decision::OutOfReach);
    assert!(told.reasons[1].contains("10.0.0.7"), "{told:?}");
}

#[test]
fn a_server_that_would_not_start_with_its_machine_is_not_well() {
    let nodes = [server("s1"), server("s2"), server("s3")];
    let disarmed = Look { is_enabled: false, ..running(3) };
    assert_eq!(decision(&patient("s3", &disarmed, Some(&nodes))), Decision::Reinstall);
}
