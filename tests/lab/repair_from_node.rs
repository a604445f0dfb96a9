//! A node without its medium is repaired from another node that has the same bundle, and from no other.

use airlock::trust::signature::Signer as _;
use serde_json::Value;

use crate::bundles::test_key;
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::repair::{BLOBS, airlock, findings, insert_medium};

/// A cluster of its own on every node, from a medium that is taken away afterwards. The fingerprint of the authority of
/// its registry, as it is printed.
fn install(node: &Node) -> String {
    let fingerprint = test_key().public_key().fingerprint();
    let address = node.address().to_string();
    let install = ["/media/stick/install", "--yes", "--trust", &fingerprint, "--address", &address];
    let printed = node
        .succeed(&[&install[..], &["--disable", "coredns", "--disable", "local-storage"]].concat())
        .unwrap();
    node.shell("rm -r /media/stick").unwrap();
    let (_, rest) = printed.split_once("--ca-fingerprint ").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

fn repair(node: &Node, from: &str, fingerprint: &str) -> (Option<i32>, Value, String) {
    airlock(node, &["repair", "--yes", "--from", from, "--ca-fingerprint", fingerprint])
}

#[test]
#[ignore = "boots nodes; started by scripts/test"]
fn what_is_lost_comes_again_from_another_node() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("repair-from").unwrap();
    let [good, damaged, other] =
        ["good", "damaged", "other"].map(|name| lab.node(name, Release::Bookworm).unwrap());
    let file = insert_medium(&good, "/media/stick", b"a plain file\n");
    insert_medium(&damaged, "/media/stick", b"a plain file\n");
    insert_medium(&other, "/media/stick", b"another file\n");
    let [authority, _, of_other] = [&good, &damaged, &other].map(install);
    let settings = damaged.succeed(&["cat", "/var/lib/airlock/settings.json"]).unwrap();
    damaged
        .shell(&format!(
            "printf x >> {BLOBS}/$(sha256sum /usr/local/bin/airlock | cut -c1-64)
             rm {BLOBS}/{} /usr/local/bin/kubectl
             truncate -s 100 /var/lib/airlock/store/bundles/*/manifest.json",
            file.hex()
        ))
        .unwrap();
    let [from_good, from_other, from_nobody] = [(&good, 5443), (&other, 5443), (&good, 1)]
        .map(|(node, port)| format!("https://{}:{port}", node.address()));

    let (status, _, said) = repair(&damaged, &from_good, &of_other);
    assert_eq!(status, Some(5), "another authority than the one that was named: {said}");
    let (status, _, said) = repair(&damaged, &from_nobody, &authority);
    assert_eq!(status, Some(8), "nobody is there: {said}");
    let (status, _, said) = repair(&damaged, &from_other, &of_other);
    assert_eq!(status, Some(7), "it has another bundle: {said}");
    assert!(said.contains("is not the one of this node"), "{said}");

    let (status, outcome, said) = repair(&damaged, &from_good, &authority);
    assert_eq!((status, findings(&outcome["after"])), (Some(0), String::new()), "{said}");
    assert_eq!(airlock(&damaged, &["verify"]).0, Some(0));
    let after = damaged.succeed(&["cat", "/var/lib/airlock/settings.json"]).unwrap();
    assert_eq!(after, settings, "a repair changes no settings");
}
