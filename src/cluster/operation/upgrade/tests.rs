//! Upgrades of clusters in every state.

use super::*;
use crate::cluster::operation::node::Installed;
use crate::cluster::operation::samples::{agent, dead, line, server};
use crate::cluster::operation::site::tests::inventory;

fn target() -> Target {
    Target {
        name: "lab-2".to_owned(),
        manifest: "sha256:02".to_owned(),
        k3s: "v1.35.0+k3s1".to_owned(),
        terms: Terms::as_before(),
        batch: 50,
    }
}

fn has(manifest: &str) -> Result<Status> {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let bundle =
        Installed { name: None, channel: "lab".to_owned(), serial: 1, manifest: manifest.to_owned(), at };
    Ok(Status { is_node: true, bundles: vec![bundle], ..Status::default() })
}

fn kept(url: Option<&str>) -> Settings {
    Settings { bundle: url.map(str::to_owned), ..Settings::default() }
}

fn lines(nodes: &[Node], hosts: &Answers<Status>) -> Result<Vec<String>> {
    let inventory = inventory(3, 1);
    let url = Some("https://10.0.0.1:5443");
    let kept = [("s1", kept(None)), ("s2", kept(url)), ("s3", kept(None)), ("a1", kept(url))]
        .map(|(name, settings)| (name.to_owned(), settings))
        .into();
    let observed = Observed { inventory: &inventory, nodes, hosts, kept: &kept };
    let plan = plan(&observed, &target())?;
    let mut lines = Vec::new();
    for part in plan.stages.iter().flat_map(|stage| &stage.parts) {
        lines.extend(part.actions.iter().map(|action| format!("{}: {}", part.node, line(action))));
        lines.extend(part.way_back.iter().map(|action| format!("{}: else {}", part.node, line(action))));
    }
    Ok(lines)
}

fn nodes() -> [Node; 4] {
    let first = Node { address: Some("10.0.0.1".parse().unwrap()), ..server("s1") };
    [agent("a1"), first, server("s2"), server("s3")]
}

#[test]
fn servers_come_before_agents_and_the_first_can_go_back() {
    let hosts: Answers<Status> =
        ["s1", "s2", "s3", "a1"].map(|name| (name.to_owned(), has("sha256:01"))).into();
    insta::assert_snapshot!(lines(&nodes(), &hosts).unwrap().join("\n"), @r"
    s1: sudo k3s etcd-snapshot save --name before-v1.35.0-k3s1
    s1: send lab-2 to s1
    s1: wait until all servers but s1 are well
    s1: sudo airlock install --yes --bundle sha256:02
    s1: wait until s1 is ready with v1.35.0+k3s1
    s1: wait until s1 votes in etcd
    s1: else sudo airlock install --yes --bundle sha256:01 --allow-downgrade 1
    s1: else wait until s1 is ready
    s2: wait until all servers but s2 are well
    s2: sudo airlock install --yes
    s2: wait until s2 is ready with v1.35.0+k3s1
    s2: wait until s2 votes in etcd
    s3: wait until all servers but s3 are well
    s3: sudo airlock install --yes --settings '{settings}'
    s3: wait until s3 is ready with v1.35.0+k3s1
    s3: wait until s3 votes in etcd
    a1: sudo airlock install --yes
    a1: wait until a1 is ready with v1.35.0+k3s1
    ");
}

#[test]
fn what_is_there_is_left_alone() {
    let done = |node: Node| Node { version: target().k3s, ..node };
    let all = nodes().map(done);
    let mut hosts: Answers<Status> =
        ["s1", "s2", "s3", "a1"].map(|name| (name.to_owned(), has("sha256:02"))).into();
    assert!(lines(&all, &hosts).unwrap().is_empty());
    hosts.insert("s3".to_owned(), has("sha256:01"));
    let some = lines(&all, &hosts).unwrap();
    assert_eq!(some[0], "s1: send lab-2 to s1", "another server may lack the bundle");
    assert_eq!(some[1], "s3: wait until all servers but s3 are well");
    assert_eq!(some[2], "s3: sudo airlock install --yes --settings '{settings}'");
}

#[test]
fn no_server_restarts_while_another_is_down() {
    let [a1, s1, s2, s3] = nodes();
    let mut hosts: Answers<Status> =
        ["s1", "s2", "a1"].map(|name| (name.to_owned(), has("sha256:01"))).into();
    hosts.insert("s3".to_owned(), Err(Error::new(codes::REMOTE_ANSWER, "s3 is silent")));
    let nodes = [a1, s1, s2, dead(s3)];
    let error = lines(&nodes, &hosts).unwrap_err();
    assert_eq!((error.code(), error.details().len()), (codes::QUORUM, 1));
    // Not either where it could be upgraded as well: the first server would restart without it.
    hosts.insert("s3".to_owned(), has("sha256:01"));
    assert_eq!(lines(&nodes, &hosts).unwrap_err().code(), codes::QUORUM);
}

#[test]
fn the_server_on_which_it_stopped_comes_first() {
    let done = |node: Node| Node { version: target().k3s, ..node };
    let [a1, s1, s2, s3] = nodes();
    let hosts: Answers<Status> = [("s1", "02"), ("s2", "01"), ("s3", "02"), ("a1", "01")]
        .map(|(name, bundle)| (name.to_owned(), has(&format!("sha256:{bundle}"))))
        .into();
    let lines = lines(&[a1, done(s1), s2, dead(done(s3))], &hosts).unwrap();
    let installs: Vec<&str> =
        lines.iter().filter(|line| line.contains("install")).map(|line| &line[..2]).collect();
    assert_eq!(installs, ["s3", "s2", "a1"]);
}

#[test]
fn agents_are_never_newer_than_a_server_that_stays() {
    let inventory = inventory(2, 1);
    let hosts: Answers<Status> = ["s1", "s2", "a1"].map(|name| (name.to_owned(), has("sha256:01"))).into();
    let observed = Observed { inventory: &inventory, nodes: &nodes(), hosts: &hosts, kept: &BTreeMap::new() };
    let plan = plan(&observed, &target()).unwrap();
    assert!(plan.stages.iter().flat_map(|stage| &stage.parts).all(|part| part.node != "a1"));
    let why = "agents are never newer than a server, and s3 stays at v1.34.1+k3s1; it stays as it is";
    assert_eq!(plan.out_of_reach, [OutOfReach { host: "a1".to_owned(), why: why.to_owned() }]);
    assert!(plan.notes.contains(&"s3 is not in the inventory, and stays as it is".to_owned()));
}
