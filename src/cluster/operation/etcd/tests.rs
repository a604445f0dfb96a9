//! Plans for snapshots and restores.

use std::net::IpAddr;

use super::*;
use crate::cluster::operation::samples::{dead, line, server};
use crate::cluster::operation::site::tests::inventory;

/// A server that runs, with one snapshot.
pub(crate) fn running(number: u8) -> Look {
    let snapshot = Snapshot {
        name: format!("on-demand-s{number}"),
        path: format!("/var/lib/rancher/k3s/server/db/snapshots/on-demand-s{number}"),
        size: 1,
        at: format!("2026-01-0{number}T00:00:00Z").parse().unwrap(),
    };
    Look {
        is_node: true,
        join: (number > 1).then(|| "https://10.0.0.1:6443".to_owned()),
        address: Some(IpAddr::from([10, 0, 0, number])),
        active: "active".to_owned(),
        is_enabled: true,
        has_etcd: true,
        member: Some(format!("s{number}-0123abcd")),
        snapshots: vec![snapshot],
        ..Look::default()
    }
}

pub(crate) fn stopped(look: Look) -> Look {
    Look { active: "inactive".to_owned(), is_enabled: false, ..look }
}

fn looks(all: [Look; 3]) -> Answers<Look> {
    all.into_iter().zip(1..).map(|(look, number)| (format!("s{number}"), Ok(look))).collect()
}

fn restored_with(
    inventory: &Inventory,
    looks: &Answers<Look>,
    nodes: Option<&[Node]>,
    source: &Source,
) -> Result<Plan> {
    restore(&Observed { inventory, looks, nodes }, source, false)
}

fn lines(plan: &Plan) -> String {
    let parts = plan.stages.iter().flat_map(|stage| &stage.parts);
    parts
        .flat_map(|part| part.actions.iter().map(|action| format!("{}: {}\n", part.node, line(action))))
        .collect()
}

#[test]
fn all_stop_one_is_restored_and_the_others_join_it() {
    let looks = looks([running(1), running(2), running(3)]);
    let inventory = inventory(3, 0);
    let held = named(&looks, "on-demand-s2").unwrap();
    let plan = restored_with(&inventory, &looks, None, &Source::Snapshot(held)).unwrap();
    insta::assert_snapshot!(lines(&plan), @r"
    s1: sudo airlock node recover stop
    s3: sudo airlock node recover stop
    s2: sudo airlock node recover stop
    s2: sudo airlock node recover reset --snapshot /var/lib/rancher/k3s/server/db/snapshots/on-demand-s2
    s2: sudo airlock node recover start
    s2: wait until s2 is ready
    s1: sudo airlock node recover aside --member s1-0123abcd
    s1: sudo airlock install --yes --join https://10.0.0.2:6443
    s1: wait until s1 votes in etcd again
    s3: sudo airlock node recover aside --member s3-0123abcd
    s3: sudo airlock install --yes --join https://10.0.0.2:6443
    s3: wait until s3 votes in etcd again
    ");
    assert!(plan.notes[0].contains("since 2026-01-02T00:00:00Z is lost"), "{:?}", plan.notes);
    assert_eq!(plan.consent, Consent::Typed("s1".to_owned()));
}

/// The same after a restore of its own snapshot.
fn restored(look: Look) -> Look {
    let restored = Some(look.snapshots[0].path.clone());
    Look { restored, restored_at: Some("2026-02-01T00:00:00Z".parse().unwrap()), ..look }
}

fn member(number: u8, member: &str) -> Node {
    let annotations = [("etcd.k3s.cattle.io/node-name".to_owned(), format!("s{number}-{member}"))].into();
    Node { annotations, ..server(&format!("s{number}")) }
}

/// What is left to do after a restore of the snapshot of the first server.
fn left(others: [Look; 2], nodes: &[Node]) -> Plan {
    let [second, third] = others;
    let looks = looks([restored(running(1)), second, third]);
    let source = Source::Snapshot(named(&looks, "on-demand-s1").unwrap());
    restored_with(&inventory(3, 0), &looks, Some(nodes), &source).unwrap()
}

#[test]
fn an_interrupted_restore_goes_on_with_those_that_have_not_joined() {
    let old = [member(1, "0123abcd"), member(2, "0123abcd"), member(3, "0123abcd")];
    let begun = Look {
        member: Some("s2-ffff0000".to_owned()),
        member_since: Some("2026-02-02T00:00:00Z".parse().unwrap()),
        ..running(2)
    };
    let plan = left([begun.clone(), stopped(running(3))], &old);
    insta::assert_snapshot!(lines(&plan), @r"
    s2: sudo airlock node recover start
    s2: wait until s2 votes in etcd
    s3: sudo airlock node recover aside --member s3-0123abcd
    s3: sudo airlock node recover start
    s3: wait until s3 votes in etcd again
    ");
    assert_eq!(plan.consent, Consent::Typed("s1".to_owned()));
    let joined = [member(1, "0123abcd"), member(2, "ffff0000"), member(3, "0123abcd")];
    assert_eq!(left([begun.clone(), running(3)], &joined).stages.len(), 0);
    let learning = Node { part: observe::Part::Learner, ..member(2, "ffff0000") };
    assert_eq!(left([begun, running(3)], &[learning, member(3, "0123abcd")]).stages.len(), 1);
}

#[test]
fn who_runs_with_other_data_or_is_asked_to_begins_anew() {
    let looks = looks([restored(running(1)), running(2), running(3)]);
    let of = |name: &str| Source::Snapshot(named(&looks, name).unwrap());
    let inventory = inventory(3, 0);
    let plan = |nodes, name, again| {
        let observed = Observed { inventory: &inventory, looks: &looks, nodes };
        lines(&restore(&observed, &of(name), again).unwrap())
    };
    assert!(plan(Some(&[][..]), "on-demand-s2", false).contains("reset --snapshot"));
    assert!(plan(None, "on-demand-s1", true).contains("reset --snapshot"), "`--again`");
    assert!(plan(Some(&[][..]), "on-demand-s1", true).contains("reset --snapshot"), "`--again`");
}

#[test]
fn a_server_that_has_just_been_restored_and_does_not_answer_yet_is_waited_for() {
    let first = restored(running(1));
    let of_first = |looks: &Answers<Look>| Source::Snapshot(named(looks, "on-demand-s1").unwrap());
    let alone = looks([first.clone(), stopped(running(2)), stopped(running(3))]);
    let plan = restored_with(&inventory(3, 0), &alone, None, &of_first(&alone)).unwrap();
    assert!(lines(&plan).starts_with("s1: wait until s1 is ready\ns2: sudo airlock node recover aside"));
    assert!(!lines(&plan).contains("reset"), "it has the data already");
    let later = Look { member_since: Some("2026-02-02T00:00:00Z".parse().unwrap()), ..running(2) };
    let lost = looks([first, later, stopped(running(3))]);
    let plan = restored_with(&inventory(3, 0), &lost, None, &of_first(&lost)).unwrap();
    assert!(lines(&plan).contains("reset --snapshot"), "others had joined, and their quorum was lost since");
}

#[test]
fn nobody_goes_on_with_the_old_data_beside_the_new_cluster() {
    let silent = || Err(Error::new(codes::REMOTE_ANSWER, "no answer"));
    let looks: Answers<Look> =
        [("s1".to_owned(), Ok(running(1))), ("s2".to_owned(), silent()), ("s3".to_owned(), Ok(running(3)))]
            .into();
    let source = Source::Snapshot(named(&looks, "on-demand-s1").unwrap());
    let (inventory, source) = (inventory(3, 0), &source);
    let plan = |nodes: &[Node]| restored_with(&inventory, &looks, Some(nodes), source);
    for stranger in ["s2", "s9"] {
        let error = plan(&[server("s1"), server(stranger), server("s3")]).unwrap_err();
        assert_eq!(error.code(), codes::NOT_REACHED);
        assert!(error.message().starts_with(stranger), "{error}");
        plan(&[server("s1"), dead(server(stranger)), server("s3")]).unwrap();
    }
}

#[test]
fn nobody_founds_a_second_cluster_where_the_address_of_the_first_is_not_known() {
    let first = Look { address: None, ..running(2) };
    let looks = looks([running(1), first, running(3)]);
    let source = Source::Snapshot(named(&looks, "on-demand-s2").unwrap());
    let error = restored_with(&inventory(3, 0), &looks, None, &source).unwrap_err();
    assert_eq!(error.code(), codes::REPAIR_IMPOSSIBLE);
    assert!(error.help().unwrap().contains("`address` of s2"), "{error:?}");
}

#[test]
fn without_a_quorum_one_goes_on_with_its_own_data() {
    let inventory = inventory(3, 0);
    let silent = || Err(Error::new(codes::REMOTE_ANSWER, "no answer"));
    let looks: Answers<Look> =
        [("s1".to_owned(), silent()), ("s2".to_owned(), Ok(running(2))), ("s3".to_owned(), silent())].into();
    let plan = restored_with(&inventory, &looks, None, &Source::Server("s2".to_owned())).unwrap();
    assert!(lines(&plan).contains("s2: sudo airlock node recover reset\n"));
    assert_eq!(plan.out_of_reach.len(), 2);
    assert!(plan.out_of_reach[0].why.contains("airlock cluster repair s1"));
    let error = restored_with(&inventory, &looks, None, &Source::Server("s1".to_owned())).unwrap_err();
    assert_eq!(error.code(), codes::NOT_A_MEMBER);
}

#[test]
fn snapshots_are_deleted_where_they_are() {
    let looks = looks([running(1), running(2), running(3)]);
    assert_eq!(snapshots(&looks)[0].snapshot.name, "on-demand-s3");
    let plan = delete(&looks, &["on-demand-s3".to_owned(), "gone".to_owned()]);
    assert_eq!(lines(&plan), "s3: sudo k3s etcd-snapshot delete on-demand-s3\n");
    assert!(plan.out_of_reach.is_empty(), "everybody has answered");
    assert_eq!(save("s1", &[server("s1")], "x").unwrap().actions().count(), 1);
    assert_eq!(save("s1", &[], "x").unwrap_err().code(), codes::NO_ETCD);
}

#[test]
fn a_server_that_is_silent_may_have_the_snapshot() {
    let silent = Err(Error::new(codes::REMOTE_ANSWER, "s2 does not answer"));
    let looks: Answers<Look> = [("s1".to_owned(), Ok(running(1))), ("s2".to_owned(), silent)].into();
    let delete = |name: &str| delete(&looks, &[name.to_owned()]);
    assert!(delete("on-demand-s1").out_of_reach.is_empty());
    assert_eq!(delete("on-demand-s2").out_of_reach[0].host, "s2");
}

#[test]
fn a_snapshot_that_was_brought_is_not_taken_for_the_latest() {
    let mut first = running(1);
    first.snapshots[0].path = format!("{SNAPSHOTS}/of-last-year");
    first.snapshots[0].at = "2026-09-09T00:00:00Z".parse().unwrap();
    let found = looks([first.clone(), running(2), Look { snapshots: Vec::new(), ..running(3) }]);
    assert_eq!(latest(&found).unwrap().server, "s2");
    let only = looks([first, Look::default(), Look::default()]);
    assert_eq!(latest(&only).unwrap().server, "s1", "where there is no other");
}
