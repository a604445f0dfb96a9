//! Who leaves how, and who may not.

use super::*;
use crate::cluster::operation::samples::{agent, dead, line, server};
use crate::cluster::operation::site::tests::inventory;

fn nodes(names: &[&str]) -> Answers<Status> {
    let node = |name: &&str| ((*name).to_owned(), Ok(Status { is_node: true, ..Status::default() }));
    names.iter().map(node).collect()
}

fn planned(members: &[Node], hosts: &Answers<Status>, inventory: &Inventory, names: &[&str]) -> Result<Plan> {
    let observed = Observed { inventory, members, pods: &[], hosts };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    plan(&observed, &names, &Leaving { drain: Some(Manner::default()), kept: Kept::default() })
}

fn lines(members: &[Node], hosts: &Answers<Status>, names: &[&str]) -> Result<Vec<String>> {
    let plan = planned(members, hosts, &inventory(3, 1), names)?;
    Ok(plan.actions().map(line).collect())
}

#[test]
fn a_server_leaves_in_the_order_that_is_safe() {
    let members = [server("s1"), server("s2"), server("s3"), agent("a1")];
    insta::assert_snapshot!(lines(&members, &nodes(&["s3"]), &["s3"]).unwrap().join("\n"), @r"
    sudo k3s kubectl drain s3 --ignore-daemonsets --timeout=300s
    sudo airlock node recover disarm
    sudo k3s kubectl annotate node s3 etcd.k3s.cattle.io/remove=true --overwrite
    wait until etcd has let s3 go
    sudo airlock node recover stop
    sudo k3s kubectl delete secret s3.node-password.k3s --namespace kube-system --ignore-not-found
    sudo k3s kubectl delete node s3 --ignore-not-found
    wait until the cluster has forgotten s3
    sudo airlock node reset --yes
    ");
}

#[test]
fn a_dead_agent_is_forgotten_and_named() {
    let members = [server("s1"), dead(agent("a1"))];
    let silent = Error::new(codes::REMOTE_ANSWER, "a1 does not answer");
    let hosts: Answers<Status> = [("a1".to_owned(), Err(silent))].into();
    let lines = lines(&members, &hosts, &["a1"]).unwrap();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].contains("delete node a1"));
}

#[test]
fn who_is_not_in_the_inventory_leaves_and_its_host_is_named() {
    let members = [server("s1"), agent("a1"), agent("a2")];
    let plan = planned(&members, &Answers::new(), &inventory(1, 1), &["a2"]).unwrap();
    insta::assert_snapshot!(plan.actions().map(line).collect::<Vec<_>>().join("\n"), @r"
    sudo k3s kubectl drain a2 --ignore-daemonsets --timeout=300s
    sudo k3s kubectl delete secret a2.node-password.k3s --namespace kube-system --ignore-not-found
    sudo k3s kubectl delete node a2 --ignore-not-found
    wait until the cluster has forgotten a2
    ");
    assert!(plan.out_of_reach.is_empty(), "nothing is left for the same command to do");
    insta::assert_snapshot!(plan.by_hand.join("\n"), @"a2 is not in the inventory, so its host is not touched: k3s, its containers and its data stay there, and it joins again when it restarts; on a2: `sudo airlock node reset --yes`");
}

#[test]
fn a_server_that_is_not_in_the_inventory_leaves_if_it_cannot_join_again() {
    let of_two = inventory(2, 0);
    let running = [server("s1"), server("s2"), server("s3")];
    let error = planned(&running, &Answers::new(), &of_two, &["s3"]).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NOT_REACHED, 8));
    let [s1, s2, s3] = running;
    let plan = planned(&[s1, s2, dead(s3)], &Answers::new(), &of_two, &["s3"]).unwrap();
    let lines: Vec<String> = plan.actions().map(line).collect();
    assert!(lines[0].contains(LEAVE) && lines.len() == 5, "{lines:?}");
    assert!(plan.by_hand[0].contains("keep it off"), "{:?}", plan.by_hand);
    assert!(plan.notes.is_empty(), "the inventory has an even number already, and was told so");
}

#[test]
fn a_server_that_runs_and_cannot_be_reached_does_not_leave() {
    let running = [server("s1"), server("s2"), server("s3")];
    let silent = || Error::new(codes::REMOTE_ANSWER, "s3 does not answer");
    let hosts = || Answers::<Status>::from([("s3".to_owned(), Err(silent()))]);
    let error = planned(&running, &hosts(), &inventory(3, 0), &["s3"]).unwrap_err();
    assert_eq!(error.code(), codes::NOT_REACHED);
    assert!(error.message().contains("cannot be reached (s3 does not answer)"), "{}", error.message());
    let [s1, s2, s3] = running;
    assert!(!planned(&[s1, s2, dead(s3)], &hosts(), &inventory(3, 0), &["s3"]).unwrap().is_empty());
}

#[test]
fn a_name_that_is_said_twice_counts_once() {
    let members = [server("s1"), server("s2"), server("s3")];
    let hosts = nodes(&["s1", "s2", "s3"]);
    assert_eq!(lines(&members, &hosts, &["s3", "s3"]).unwrap(), lines(&members, &hosts, &["s3"]).unwrap());
}

#[test]
fn an_unknown_name_is_told_those_that_there_are() {
    let members = [server("s1"), agent("gpu7")];
    let error = planned(&members, &Answers::new(), &inventory(1, 1), &["gpu8"]).unwrap_err();
    assert_eq!(error.code(), codes::NOT_A_MEMBER);
    assert_eq!(error.details(), ["the cluster has s1, gpu7", "the inventory has s1, a1"]);
}

#[test]
fn what_is_half_done_goes_on_and_what_is_done_is_done() {
    let members = [server("s1")];
    assert_eq!(lines(&members, &nodes(&["a1"]), &["a1"]).unwrap(), ["sudo airlock node reset --yes"]);
    let gone: Answers<Status> = [("a1".to_owned(), Ok(Status::default()))].into();
    assert!(lines(&members, &gone, &["a1"]).unwrap().is_empty());
}

#[test]
fn etcd_keeps_its_quorum_and_the_cluster_its_last_server() {
    let three = [server("s1"), server("s2"), dead(server("s3"))];
    let hosts = nodes(&["s1", "s2", "s3"]);
    assert_eq!(lines(&three, &hosts, &["s2"]).unwrap_err().code(), codes::QUORUM);
    lines(&three, &hosts, &["s3"]).unwrap();
    // One after the other, and never two votes at once: after the dead one has gone, two are left.
    lines(&three, &hosts, &["s3", "s2"]).unwrap();
    assert_eq!(lines(&three, &hosts, &["s3", "s2", "s1"]).unwrap_err().code(), codes::LAST_SERVER);
    assert_eq!(lines(&three, &hosts, &["nobody"]).unwrap_err().code(), codes::NOT_A_MEMBER);
}
