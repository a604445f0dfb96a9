//! What verify finds is put right, and then verify finds nothing; what nobody has is named with what to bring.

use std::path::Path;

use airlock::bundle::signed::SignedManifest;
use airlock::error::{Result, codes};
use airlock::node::driver::Done;
use airlock::node::install::{Context, Place};
use airlock::node::origin::stored::Stored;
use airlock::node::plan::Plan;
use airlock::node::registry::peer::{Network, Peer};
use airlock::node::repair::blobs::Place as BlobPlace;
use airlock::node::repair::{self, Repaired, Sources};
use airlock::oci::digest::Digest;
use airlock::progress::Silent;
use airlock::store::Store;
use airlock::store::repair::{Remote, Servers, Source};

use super::machine::Host;
use super::verify::{STORE, blob, check, flip_a_byte, from_store, lines, record};

/// The medium, where the context has one.
pub fn medium(context: &Context) -> Vec<BlobPlace> {
    match &context.place {
        Place::Medium { bundle, path } => {
            let name = path.display().to_string();
            vec![BlobPlace { name, source: Source::Bundle(bundle.clone()) }]
        }
        _ => Vec::new(),
    }
}

fn signed(context: &Context, host: &Host) -> Option<SignedManifest> {
    match &context.place {
        Place::Medium { bundle, .. } => Some(SignedManifest {
            bytes: bundle.manifest_bytes().to_vec(),
            signatures: bundle.signatures().to_vec(),
        }),
        _ => {
            let store = Store::open(&host.machine.path(STORE)).unwrap();
            Stored::signed(&store, &context.origin.digest()).unwrap_or_default()
        }
    }
}

pub fn mend(context: &Context, host: &Host, blobs: Vec<BlobPlace>) -> Repaired {
    let runtime = host.systemd.runtime().clone();
    let sources = Sources { blobs, signed: signed(context, host), runtime };
    let rounds = repair::rounds(context, &check(context), sources).unwrap();
    repair::repair(&rounds, &host.machine, &Silent).unwrap()
}

/// Looks at what is to be mended; what is given back mends it and says what the command says.
pub fn in_two_parts(host: &Host) -> Box<dyn FnOnce() -> Result<Done> + '_> {
    let context = host.context(false);
    let sources = Sources {
        blobs: medium(&context),
        signed: signed(&context, host),
        runtime: host.systemd.runtime().clone(),
    };
    let rounds = repair::rounds(&context, &check(&context), sources).unwrap();
    Box::new(move || {
        let repaired = repair::repair(&rounds, &host.machine, &Silent)?;
        let (changed, reboot_for) = (repaired.changed.clone(), repaired.reboot_for);
        repaired.into_result(&check(&context))?;
        Ok(Done { changed, reboot_for, handover: false })
    })
}

/// Damages an installed node everywhere.
pub fn damage(host: &Host) {
    flip_a_byte(&blob(host, b"#!/bin/sh\necho the airlock program\n"));
    fs_err::remove_file(blob(host, b"a plain file\n")).unwrap();
    fs_err::write(record(host, "manifest.json"), "{").unwrap();
    fs_err::remove_dir_all(host.machine.path(&format!("{STORE}/names/docker.io"))).unwrap();
    fs_err::remove_file(host.machine.path("/usr/local/bin/kubectl")).unwrap();
}

/// Damages an installed node, and mends it with the medium in its drive.
#[track_caller]
fn is_mended(damage: impl Fn(&Host), found: &str, steps: &[&str]) {
    let host = Host::new();
    host.install(false).unwrap();
    let context = host.context(false);
    damage(&host);
    let before = lines(&check(&context)).join("\n");
    assert!(before.contains(found), "`{found}` is not in:\n{before}");
    let repaired = mend(&context, &host, medium(&context));
    let after = check(&context);
    assert_eq!(lines(&after), [""; 0], "{repaired:?}");
    assert_eq!(repaired.changed, steps);
    repaired.into_result(&after).unwrap();
    assert!(host.plan(false).is_empty());
}

fn path(host: &Host, path: &str) -> std::path::PathBuf {
    host.machine.path(path)
}

const PROGRAM: &[u8] = b"#!/bin/sh\necho the airlock program\n";

#[test]
fn a_flipped_byte_in_a_blob() {
    is_mended(|host| flip_a_byte(&blob(host, PROGRAM)), &Digest::of(PROGRAM).to_string(), &["store-blobs"]);
}

#[test]
fn a_deleted_blob() {
    let delete = |host: &Host| fs_err::remove_file(blob(host, b"a plain file\n")).unwrap();
    is_mended(delete, "is missing; needed by", &["store-blobs"]);
}

#[test]
fn a_changed_unit() {
    let unit = "/etc/systemd/system/k3s.service";
    is_mended(
        |host| fs_err::write(path(host, unit), "[Unit]\n").unwrap(),
        "would restart k3s.service",
        &["k3s-service"],
    );
}

#[test]
fn a_deleted_link() {
    let link = "/usr/local/bin/kubectl";
    is_mended(
        |host| fs_err::remove_file(path(host, link)).unwrap(),
        "would create /usr/local/bin/kubectl",
        &["k3s-program"],
    );
}

#[test]
fn a_replaced_program() {
    let program = "/usr/local/bin/airlock";
    is_mended(
        |host| fs_err::write(path(host, program), "#!/bin/sh\n").unwrap(),
        "would replace /usr/local/bin/airlock",
        &["airlock-program"],
    );
}

#[test]
fn a_truncated_manifest_in_the_store() {
    let truncate = |host: &Host| fs_err::write(record(host, "manifest.json"), "{").unwrap();
    is_mended(truncate, "signature: /var/lib/airlock/store: the record of a bundle", &["store-record"]);
}

#[test]
fn lost_names_and_signatures() {
    let lose = |host: &Host| {
        fs_err::remove_dir_all(path(host, &format!("{STORE}/names/docker.io"))).unwrap();
        fs_err::write(record(host, "signature-1"), "").unwrap();
    };
    is_mended(lose, "does not know `docker.io/library/golden:1.0`", &["store-record"]);
}

#[test]
fn a_stopped_service() {
    is_mended(
        |host| host.systemd.kill("airlock-registry.service"),
        "would start airlock-registry.service",
        &["registry"],
    );
    is_mended(|host| host.systemd.kill("k3s.service"), "would start k3s.service", &["k3s-service"]);
}

#[test]
fn a_store_that_is_gone() {
    let remove = |host: &Host| fs_err::remove_dir_all(path(host, STORE)).unwrap();
    is_mended(remove, "is missing", &["store-blobs", "store-record"]);
}

#[test]
fn all_of_it_at_once_without_the_medium_from_another_node() {
    let (host, other) = (Host::new(), Host::new());
    for node in [&host, &other] {
        node.install(false).unwrap();
    }
    let context = from_store(&host);
    flip_a_byte(&blob(&host, PROGRAM));
    fs_err::remove_file(path(&host, "/usr/local/bin/airlock")).unwrap();
    fs_err::remove_dir_all(path(&host, &format!("{STORE}/names/docker.io"))).unwrap();
    let authority = other.read("/etc/airlock/registry-ca.crt").into_bytes();
    let network = Network::quiet(host.systemd.runtime().clone());
    let address = format!("127.0.0.1:{}", other.port);
    let peer = Peer::new(&format!("https://{address}"), Some(&authority), &network, false).unwrap();
    let source = Source::Remote(Remote::new(Servers::Node(address.clone()), peer.client().clone()));
    let repaired = mend(&context, &host, vec![BlobPlace { name: address, source }]);
    assert_eq!(repaired.changed, ["store-blobs", "store-record", "airlock-program"], "{repaired:?}");
    assert_eq!(lines(&check(&context)), [""; 0]);
}

#[test]
fn what_nobody_has_is_named_and_the_rest_is_mended() {
    let host = Host::new();
    host.install(false).unwrap();
    let context = from_store(&host);
    let config = context
        .origin
        .manifest()
        .blobs
        .iter()
        .find(|blob| blob.digest != Digest::of(PROGRAM))
        .unwrap()
        .digest;
    let lost = path(&host, &format!("{STORE}/blobs/sha256/{}", config.hex()));
    let kept = fs_err::read(&lost).unwrap();
    fs_err::remove_file(&lost).unwrap();
    fs_err::write(path(&host, "/etc/rancher/k3s/registries.yaml"), "").unwrap();
    let repaired = mend(&context, &host, Vec::new());
    let after = check(&context);
    assert!(host.read("/etc/rancher/k3s/registries.yaml").contains("127.0.0.1"), "{repaired:?}");
    let error = repaired.into_result(&after).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_status()), (codes::NODE_REPAIR, 9));
    let details = error.details().join("\n");
    assert!(details.contains(&config.to_string()) && details.contains("no medium is there"), "{details}");
    assert!(details.contains("needed by golden-1.0: "), "{details}");
    assert!(error.help().unwrap().contains("--from MEDIUM"), "{error:?}");
    fs_err::write(&lost, kept).unwrap();
    assert_eq!(lines(&check(&context)), [""; 0]);
}

#[test]
fn a_medium_that_is_damaged_in_the_same_place_is_told() {
    let host = Host::new();
    host.install(false).unwrap();
    let context = host.context(false);
    let volume = fs_err::read_dir(host.medium()).unwrap().next().unwrap().unwrap().path();
    let program = b"the airlock program";
    damage_at(&volume, program);
    flip_a_byte(&blob(&host, PROGRAM));
    let repaired = mend(&context, &host, medium(&context));
    let error = repaired.into_result(&check(&context)).unwrap_err();
    assert_eq!(error.code(), codes::NODE_REPAIR);
    let medium = host.medium().display().to_string();
    assert!(error.details().iter().any(|detail| detail.contains(&medium)), "{:?}", error.details());
}

fn damage_at(file: &Path, what: &[u8]) {
    let mut bytes = fs_err::read(file).unwrap();
    let place = bytes.windows(what.len()).position(|window| window == what).unwrap();
    bytes[place] ^= 1;
    fs_err::write(file, bytes).unwrap();
}

#[test]
fn a_plan_shows_all_of_it_and_changes_nothing() {
    let host = Host::new();
    host.install(false).unwrap();
    let context = host.context(false);
    flip_a_byte(&blob(&host, PROGRAM));
    fs_err::remove_file(path(&host, "/usr/local/bin/kubectl")).unwrap();
    let runtime = host.systemd.runtime().clone();
    let sources = Sources { blobs: medium(&context), signed: signed(&context, &host), runtime };
    let rounds = repair::rounds(&context, &check(&context), sources).unwrap();
    let changes: Vec<String> = rounds
        .iter()
        .flat_map(|round| Plan::make(round, &host.machine).unwrap().steps)
        .flat_map(|step| step.changes.into_iter().map(move |change| format!("{}: {change}", step.name)))
        .collect();
    let expected = [
        format!(
            "store-blobs: replace blob {} (needed by golden-1.0: installer:linux/amd64)",
            Digest::of(PROGRAM)
        ),
        "k3s-program: create /usr/local/bin/kubectl (to k3s)".to_owned(),
    ];
    assert_eq!(changes, expected);
    assert_eq!(lines(&check(&context)).len(), 2, "nothing was changed");
}
