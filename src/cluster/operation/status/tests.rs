//! What is told of clusters in various states.

use super::*;
use crate::cluster::operation::node::{Finding as HostFinding, Installed};
use crate::cluster::operation::samples::{agent, dead, server};
use crate::cluster::operation::site::tests::inventory;
use crate::error::{Error, codes};
use crate::node::recovery::Certificate;

fn host(serial: u64) -> Result<Status> {
    let bundle = Installed {
        name: Some(format!("lab-{serial}")),
        channel: "lab".to_owned(),
        serial,
        manifest: "sha256:00".to_owned(),
        at: Timestamp::UNIX_EPOCH,
    };
    Ok(Status { is_node: true, bundles: vec![bundle], ..Status::default() })
}

fn until(text: &str) -> Result<Certificates> {
    let expiry_time = text.parse().unwrap();
    let certificate = Certificate { filename: "a.crt".to_owned(), subject: String::new(), expiry_time };
    Ok(Certificates { all: vec![certificate] })
}

fn of(nodes: std::result::Result<&[Node], String>, hosts: Answers<Status>, ends: &str) -> ClusterStatus {
    let inventory = inventory(1, 1);
    let certificates: Answers<Certificates> = [("s1".to_owned(), until(ends))].into();
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    ClusterStatus::of(&Observed {
        inventory: &inventory,
        nodes,
        hosts: &hosts,
        certificates: &certificates,
        now,
    })
}

fn texts(findings: &[Finding]) -> Vec<String> {
    let text =
        |finding: &Finding| format!("{}: {}", finding.node.as_deref().unwrap_or("cluster"), finding.text);
    findings.iter().map(text).collect()
}

#[test]
fn a_cluster_that_is_well_has_nothing_to_tell() {
    let hosts: Answers<Status> = ["s1", "a1"].map(|name| (name.to_owned(), host(1))).into();
    let status = of(Ok(&[agent("a1"), server("s1")]), hosts, "2027-01-01T00:00:00Z");
    assert_eq!((texts(&status.problems), texts(&status.warnings)), (Vec::new(), Vec::new()));
    let s1 = &status.nodes[0];
    assert_eq!((s1.votes, s1.serial, s1.ready), (Some(true), Some(1), Some(true)));
    assert_eq!(status.etcd.unwrap().quorum, 1);
}

#[test]
fn everything_that_is_wrong_is_told_with_its_node() {
    let silent = Error::new(codes::REMOTE_ANSWER, "a1 does not answer");
    let mut sick = host(2).unwrap();
    sick.problems.push(HostFinding { text: "k3s.service is failed".to_owned(), help: "look".to_owned() });
    let hosts: Answers<Status> = [("s1".to_owned(), Ok(sick)), ("a1".to_owned(), Err(silent))].into();
    let status = of(Ok(&[dead(server("s1")), agent("x9")]), hosts, "2026-05-01T00:00:00Z");
    assert_eq!(
        texts(&status.problems),
        [
            "s1: s1 is not ready: its kubelet is silent",
            "cluster: only 0 of 1 servers that vote in etcd are well",
            "s1: a certificate of its k3s has expired at 2026-05-01T00:00:00Z",
            "a1: a1 does not answer",
            "a1: it is not in the cluster",
            "x9: it is in the cluster, and not in the inventory",
            "s1: k3s.service is failed",
        ]
    );
}

#[test]
fn what_differs_or_ends_soon_is_a_warning() {
    let newer = Node { version: "v1.35.0+k3s1".to_owned(), ..server("s1") };
    let cordoned = Node { is_cordoned: true, ..agent("a1") };
    let hosts: Answers<Status> = [("s1".to_owned(), host(2)), ("a1".to_owned(), host(1))].into();
    let status = of(Ok(&[cordoned, newer]), hosts, "2026-06-20T00:00:00Z");
    assert_eq!(status.problems, []);
    assert_eq!(
        texts(&status.warnings),
        [
            "s1: a certificate of its k3s ends at 2026-06-20T00:00:00Z",
            "a1: no new pods are put on it",
            "cluster: nodes run different versions of k3s: v1.34.1+k3s1, v1.35.0+k3s1",
        ]
    );
}

#[test]
fn hosts_are_told_of_even_if_the_cluster_is_silent() {
    let hosts: Answers<Status> = ["s1", "a1"].map(|name| (name.to_owned(), host(1))).into();
    let status = of(Err("no server of the cluster answers".to_owned()), hosts, "2027-01-01T00:00:00Z");
    assert_eq!(texts(&status.problems), ["cluster: no server of the cluster answers"]);
    assert_eq!((status.nodes.len(), status.etcd), (2, None));
}

#[test]
fn gpus_that_pods_cannot_use_are_a_problem_of_a_node_that_is_ready() {
    let with = |usable| Node { gpus: Some(Gpus { present: 8, usable }), ..agent("a1") };
    let problems = |node: Node| {
        let status = of(Ok(&[server("s1"), node]), [].into(), "2027-01-01T00:00:00Z");
        assert!(status.nodes[1].gpus.is_some());
        let of_gpus = |finding: &Finding| finding.text.contains("GPU").then(|| finding.clone());
        status.problems.iter().find_map(of_gpus)
    };
    assert_eq!(problems(with(8)), None);
    assert_eq!(problems(dead(with(0))), None, "that it is not ready is what is wrong");
    let one = problems(with(7)).unwrap();
    assert_eq!((one.node.as_deref(), &*one.text), (Some("a1"), "pods can use 7 of its 8 GPUs"));
    let none = problems(with(0)).unwrap();
    assert!(none.help.contains("device plugin"), "{none:?}");
}
