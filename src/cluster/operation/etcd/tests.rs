//! Plans for snapshots and restores.

use super::*;
use crate::cluster::operation::samples::{line, server};
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
    let plan = restore(&inventory, &looks, None, &Source::Snapshot(held)).unwrap();
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
    restore(&inventory(3, 0), &looks, Some(nodes), &source).unwrap()
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
fn who_runs_with_other_data_or_is_not_answered_begins_anew() {
    let looks = looks([restored(running(1)), running(2), running(3)]);
    let of = |name: &str| Source::Snapshot(named(&looks, name).unwrap());
    let plan = |nodes, name| lines(&restore(&inventory(3, 0), &looks, nodes, &of(name)).unwrap());
    assert!(plan(Some(&[][..]), "on-demand-s2").contains("reset --snapshot"));
    assert!(plan(None, "on-demand-s1").contains("reset --snapshot"), "`--again`");
}

#[test]
fn without_a_quorum_one_goes_on_with_its_own_data() {
    let inventory = inventory(3, 0);
    let silent = || Err(Error::new(codes::REMOTE_ANSWER, "no answer"));
    let looks: Answers<Look> =
        [("s1".to_owned(), silent()), ("s2".to_owned(), Ok(running(2))), ("s3".to_owned(), silent())].into();
    let plan = restore(&inventory, &looks, None, &Source::Server("s2".to_owned())).unwrap();
    assert!(lines(&plan).contains("s2: sudo airlock node recover reset\n"));
    assert_eq!(plan.out_of_reach.len(), 2);
    assert!(plan.out_of_reach[0].why.contains("airlock cluster repair s1"));
    let error = restore(&inventory, &looks, None, &Source::Server("s1".to_owned())).unwrap_err();
    assert_eq!(error.code(), codes::NOT_A_MEMBER);
}

#[test]
fn snapshots_are_deleted_where_they_are() {
    let looks = looks([running(1), running(2), running(3)]);
    assert_eq!(snapshots(&looks)[0].snapshot.name, "on-demand-s3");
    let plan = delete(&looks, &["on-demand-s3".to_owned(), "gone".to_owned()]);
    assert_eq!(lines(&plan), "s3: sudo k3s etcd-snapshot delete on-demand-s3\n");
    assert_eq!(save(&[server("s1")], "x").unwrap().actions().count(), 1);
    assert_eq!(save(&[], "x").unwrap_err().code(), codes::NO_ETCD);
}
