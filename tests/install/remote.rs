//! A node that takes the bundle from another one.

use std::io::Read as _;
use std::sync::Arc;

use airlock::bundle::signed::SignedManifest;
use airlock::error::codes;
use airlock::node::install::{self, Context, Place};
use airlock::node::origin::Origin;
use airlock::node::origin::remote::{INCOMING, Remote};
use airlock::node::plan::Plan;
use airlock::node::registry::fingerprint::{self, Fingerprint};
use airlock::node::registry::introduction;
use airlock::node::registry::peer::{Network, Peer};
use airlock::node::run;
use airlock::node::settings::{Registry, Role, Settings};
use airlock::oci::digest::Digest;
use airlock::progress::Silent;
use airlock::trust::key;

use super::bundles::{policy_for, test_policy};
use super::machine::Host;

pub fn endpoint(server: &Host) -> String {
    format!("https://127.0.0.1:{}", server.port)
}

pub fn authority(server: &Host) -> Vec<u8> {
    server.read("/etc/airlock/registry-ca.crt").into_bytes()
}

pub fn peer(server: &Host) -> Peer {
    let network = Network::quiet(server.systemd.runtime().clone());
    Peer::new(&endpoint(server), Some(&authority(server)), &network, false).unwrap()
}

pub fn remote(server: &Host, node: &Host) -> Remote {
    remote_of(&[server], node)
}

/// The bundle of servers, the first of which is asked first.
pub fn remote_of(servers: &[&Host], node: &Host) -> Remote {
    let peers: Vec<Peer> = servers.iter().map(|server| peer(server)).collect();
    let signed = Remote::signed(&peers, None).unwrap();
    let verified = signed.verify(&test_policy()).unwrap();
    Remote::new(peers, signed, verified, &node.machine.path(INCOMING))
}

pub fn context(server: &Host, node: &Host) -> Context {
    let registry = Registry::Peers { endpoints: vec![endpoint(server)] };
    let join = Some("https://127.0.0.1:6443".to_owned());
    Context {
        packages: None,
        nvidia: Arc::new(crate::machine::nothing_of_nvidia()),
        machine: node.machine.clone(),
        settings: Settings { role: Role::Agent, join, registry, ..Settings::default() },
        origin: Arc::new(remote(server, node)),
        place: Place::Server,
        authority: Some(authority(server)),
        ..node.context(false)
    }
}

#[test]
fn an_agent_needs_nothing_but_its_server() {
    let server = Host::new();
    server.install(false).unwrap();
    let agent = Host::new();
    let steps = install::steps(&context(&server, &agent)).unwrap();
    let done = run::run("install", &steps, &agent.machine, &Silent).unwrap();
    let expected = [
        "settings",
        "signers",
        "airlock-program",
        "registry-ca",
        "files",
        "k3s-program",
        "k3s-configuration",
        "k3s-service",
        "serial-floor",
    ];
    assert_eq!(done.changed, expected);
    assert!(Plan::make(&steps, &agent.machine).unwrap().is_empty());
    assert_eq!(agent.read("/etc/airlock/registry-ca.crt"), server.read("/etc/airlock/registry-ca.crt"));
    assert!(agent.read("/usr/local/bin/airlock").contains("the airlock program"));
    assert_eq!(fs_err::read_dir(agent.machine.path(INCOMING)).unwrap().count(), 0, "nothing is left");
    assert!(agent.read("/etc/rancher/k3s/registries.yaml").contains(&endpoint(&server)));
}

#[test]
fn the_authority_is_known_by_its_fingerprint() {
    let server = Host::new();
    server.install(true).unwrap();
    let text = fingerprint::of_pem(&authority(&server)).unwrap();
    let found = introduction::authority(&endpoint(&server), Fingerprint::parse(&text).unwrap()).unwrap();
    assert_eq!(fingerprint::of_pem(&found).unwrap(), text);
    let network = Network::quiet(server.systemd.runtime().clone());
    let peer = Peer::new(&endpoint(&server), Some(&found), &network, false).unwrap();
    assert_eq!(peer.document("/healthz", 1024).unwrap(), b"ok\n");
    let other = Fingerprint::parse(&Digest::of(b"other").hex()).unwrap();
    let error = introduction::authority(&endpoint(&server), other).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::AUTHORITY_FINGERPRINT, 5));
    // Another authority is not believed.
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let peer = Peer::new(&endpoint(&server), Some(made.cert.pem().as_bytes()), &network, false).unwrap();
    assert_eq!(peer.document("/healthz", 1024).unwrap_err().code(), codes::FETCH_TLS);
    let nobody = introduction::authority("https://127.0.0.1:1", other).unwrap_err();
    assert_eq!((nobody.code(), nobody.kind().exit_status()), (codes::FETCH_CONNECT, 8));
}

#[test]
fn what_a_server_says_is_verified_like_a_medium() {
    let server = Host::new();
    server.install(false).unwrap();
    let signed = Remote::signed(&[peer(&server)], None).unwrap();
    let stranger = key::generate("stranger", None).unwrap().public;
    let refused = signed.verify(&policy_for(&stranger)).unwrap_err();
    assert_eq!(refused.code(), codes::SIGNER_UNKNOWN);
    let forged = SignedManifest {
        bytes: String::from_utf8(signed.bytes.clone()).unwrap().replace("stable", "forged").into_bytes(),
        signatures: signed.signatures.clone(),
    };
    assert_eq!(forged.verify(&test_policy()).unwrap_err().kind().exit_status(), 5);
    assert_eq!(signed.claimed_signers().len(), 1);
    assert!(forged.claimed_signers().is_empty());
}

#[test]
fn a_blob_goes_on_where_a_killed_run_has_left_it() {
    let (server, node) = (Host::new(), Host::new());
    server.install(false).unwrap();
    let remote = remote(&server, &node);
    let content = b"#!/bin/sh\necho the airlock program\n";
    let digest = Digest::of(content);
    let part = node.machine.path(INCOMING).join(digest.hex());
    let read = || -> airlock::error::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        remote.open(digest)?.read_to_end(&mut bytes).unwrap();
        Ok(bytes)
    };
    assert_eq!(read().unwrap(), content);
    for left in [&content[..10], content, b"", b"longer than the blob that it should become later on"] {
        fs_err::write(&part, left).unwrap();
        assert_eq!(read().unwrap(), content);
        assert!(!part.exists());
    }
    fs_err::write(&part, b"other bytes").unwrap();
    let error = read().unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::WRONG_DIGEST, 4));
    assert_eq!(read().unwrap(), content, "damage is not gone on with");
    assert_eq!(remote.open(Digest::of(b"other")).err().unwrap().code(), codes::ARTIFACT_UNKNOWN);
}
