//! Servers that take the whole bundle from another one, and nodes that know several registries.

use std::sync::Arc;

use airlock::bundle::Bundle;
use airlock::error::codes;
use airlock::node::install::{self, Context, Place};
use airlock::node::origin::remote::{INCOMING, Remote};
use airlock::node::plan::Plan;
use airlock::node::registry::certificates;
use airlock::node::registry::fingerprint::{self, Fingerprint};
use airlock::node::registry::introduction;
use airlock::node::registry::peer::{Network, Peer};
use airlock::node::run;
use airlock::node::settings::{Registry, Settings};
use airlock::oci::digest::Digest;
use airlock::progress::Silent;
use airlock::store::Store;

use super::bundles::test_policy;
use super::machine::Host;
use super::remote::{authority, endpoint, peer, remote_of};

const STORE: &str = "/var/lib/airlock/store";

/// A server that joins `first` with a registry of its own, and asks `first` after it.
fn joining(first: &Host, second: &Host) -> Context {
    let endpoints = vec![endpoint(first)];
    let registry = Registry::Own { port: second.port, in_place: false, endpoints };
    let join = Some("https://127.0.0.1:6443".to_owned());
    Context {
        settings: Settings { join, registry, ..Settings::default() },
        origin: Arc::new(remote_of(&[first], second).beside(second.machine.path(STORE))),
        place: Place::Server,
        authority: Some(authority(first)),
        ..second.context(false)
    }
}

fn install(context: &Context, host: &Host) -> airlock::error::Result<Vec<&'static str>> {
    let steps = install::steps(context)?;
    Ok(run::run("install", &steps, &host.machine, &Silent)?.changed)
}

#[test]
fn a_second_server_has_the_whole_bundle_and_outlives_the_first() {
    let (first, second) = (Host::new(), Host::new());
    first.install(false).unwrap();
    let context = joining(&first, &second);
    assert!(install(&context, &second).unwrap().contains(&"store"));
    assert!(Plan::make(&install::steps(&context).unwrap(), &second.machine).unwrap().is_empty());
    let store = Store::open(&second.machine.path(STORE)).unwrap();
    assert_eq!(store.bundle_digests().unwrap(), [context.origin.digest()]);
    let registries = second.read("/etc/rancher/k3s/registries.yaml");
    let own = format!("https://127.0.0.1:{}", second.port);
    assert!(registries.contains(&format!(r#"["{own}","{}"]"#, endpoint(&first))), "{registries}");
    let trusted = certificates::parse(second.read("/etc/airlock/registry-ca.crt").as_bytes()).unwrap();
    let of = |host: &Host, path: &str| certificates::parse(host.read(path).as_bytes()).unwrap();
    let own = "/var/lib/airlock/registry/ca.crt";
    assert_eq!(trusted, [of(&second, own), of(&first, own)].concat(), "its own comes first");
    // The next one comes from here, wherever the first is.
    let address = second.port;
    drop(first);
    let third = Host::new();
    let network = Network::quiet(third.systemd.runtime().clone());
    let pem = second.read("/etc/airlock/registry-ca.crt");
    let peer =
        Peer::new(&format!("https://127.0.0.1:{address}"), Some(pem.as_bytes()), &network, false).unwrap();
    Remote::signed(&[peer], Some(context.origin.digest())).unwrap().verify(&test_policy()).unwrap();
}

#[test]
fn a_replica_goes_on_behind_what_has_come_and_damage_is_not_gone_on_with() {
    let (first, second) = (Host::new(), Host::new());
    first.install(false).unwrap();
    let store = Store::create(&second.machine.path(STORE)).unwrap();
    let bundle = Bundle::open(&first.medium()).unwrap().verify(&test_policy()).unwrap();
    let part = |digest: Digest| store.root().join("incoming").join(format!("sha256-{}", digest.hex()));
    let blobs: Vec<_> = bundle.manifest().blobs.iter().filter(|blob| blob.size > 4).collect();
    let (begun, damaged) = (blobs[0], blobs[1]);
    let content = bundle.read_blob(begun.digest, 1 << 20).unwrap();
    fs_err::write(part(begun.digest), &content[..3]).unwrap();
    fs_err::write(part(damaged.digest), b"####").unwrap();
    let context = joining(&first, &second);
    let error = install(&context, &second).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::WRONG_DIGEST, 4));
    install(&context, &second).unwrap();
    assert_eq!(store.bundle_digests().unwrap().len(), 1);
}

#[test]
fn a_dead_server_is_passed_over() {
    let (dead, alive, node) = (Host::new(), Host::new(), Host::new());
    dead.install(false).unwrap();
    alive.install(false).unwrap();
    let both = [authority(&dead), authority(&alive)].concat();
    let (gone, there) = (endpoint(&dead), endpoint(&alive));
    drop(dead);
    let network = Network::quiet(node.systemd.runtime().clone());
    let peers: Vec<Peer> =
        [&gone, &there].map(|url| Peer::new(url, Some(&both), &network, false).unwrap()).into();
    let signed = Remote::signed(&peers, None).unwrap();
    let verified = signed.verify(&test_policy()).unwrap();
    let remote = Remote::new(peers, signed, verified, &node.machine.path(INCOMING));
    let context = Context {
        origin: Arc::new(remote),
        authority: Some(both),
        settings: Settings {
            registry: Registry::Peers { endpoints: vec![gone.clone(), there.clone()] },
            ..super::remote::context(&alive, &node).settings
        },
        ..super::remote::context(&alive, &node)
    };
    install(&context, &node).unwrap();
    let registries = node.read("/etc/rancher/k3s/registries.yaml");
    assert!(registries.contains(&format!(r#"["{gone}","{there}"]"#)), "{registries}");
    // Nobody is left.
    drop(alive);
    let error = context.origin.document(context.origin.manifest().blobs[0].digest, 1 << 20).unwrap_err();
    assert_eq!(error.code(), codes::FETCH_CONNECT);
}

#[test]
fn a_server_more_changes_what_names_it_and_nothing_else() {
    let (first, second, node) = (Host::new(), Host::new(), Host::new());
    first.install(false).unwrap();
    second.install(false).unwrap();
    let context = super::remote::context(&first, &node);
    install(&context, &node).unwrap();
    let more = Context {
        settings: Settings {
            registry: Registry::Peers { endpoints: vec![endpoint(&first), endpoint(&second)] },
            ..context.settings.clone()
        },
        authority: Some(certificates::union(&[&authority(&first), &authority(&second)]).unwrap()),
        ..super::remote::context(&first, &node)
    };
    assert_eq!(
        install(&more, &node).unwrap(),
        ["settings", "registry-ca", "k3s-configuration", "k3s-service"]
    );
    assert!(install(&more, &node).unwrap().is_empty());
}

#[test]
fn several_servers_are_introduced_by_their_fingerprints() {
    let (first, second) = (Host::new(), Host::new());
    first.install(false).unwrap();
    second.install(false).unwrap();
    let fingerprint =
        |host: &Host| Fingerprint::parse(&fingerprint::of_pem(&authority(host)).unwrap()).unwrap();
    let both = [endpoint(&first), endpoint(&second)];
    let known = [fingerprint(&first), fingerprint(&second)];
    let introduced = introduction::authorities(&both, &known, None).unwrap();
    assert_eq!(certificates::parse(&introduced.authorities).unwrap().len(), 2);
    assert!(introduced.silent.is_empty());
    let refused = introduction::authorities(&both, &known[..1], None).unwrap_err();
    assert_eq!(refused.code(), codes::AUTHORITY_FINGERPRINT);
    // One that is down is told, and what is known already is not asked for.
    let first_only = [both[0].clone(), "https://127.0.0.1:1".to_owned()];
    let introduced = introduction::authorities(&first_only, &known, None).unwrap();
    assert_eq!(introduced.silent[0].0, "https://127.0.0.1:1");
    let nowhere = ["https://127.0.0.1:1".to_owned()];
    let pem = introduction::authorities(&nowhere, &known[..1], Some(&authority(&first))).unwrap();
    assert_eq!(pem.authorities, authority(&first));
    assert!(introduction::authorities(&nowhere, &known[1..], Some(&authority(&first))).is_err());
}

#[test]
fn a_bundle_is_asked_for_by_its_digest() {
    let server = Host::new();
    server.install(false).unwrap();
    let missing = Remote::signed(&[peer(&server)], Some(Digest::of(b"other"))).err().unwrap();
    assert_eq!((missing.code(), missing.kind().exit_status()), (codes::SERVER_BUNDLE, 8));
}
