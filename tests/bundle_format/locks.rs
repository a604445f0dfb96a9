//! Makes `bundle-spec/golden/locks/packages.lock`: the lock of the golden bundle with packages.

use airlock::bundle::manifest::apt::Apt;
use airlock::lock::apt::{self, Baseline, Evidence, Index, Package, Release, Repository};
use airlock::lock::{File, Lock, VERSION, file};
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;

use crate::packages::{self, Wanted};
use crate::support::{Contents, INSTALLER, targets};

/// Writes the lock if it is missing; never touches one that exists.
#[test]
#[ignore = "run once for a new golden lock: cargo test --test bundle_format make_missing -- --ignored"]
fn make_missing_golden_lock() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/bundle-spec/golden/locks/packages.lock");
    if fs_err::metadata(path).is_err() {
        fs_err::write(path, file::render(&lock()).unwrap()).unwrap();
    }
}

fn lock() -> Lock {
    let manifest = Contents::with_packages().manifest;
    let installer = manifest.find(INSTALLER).unwrap().digests()[0];
    let size = manifest.blobs.iter().find(|blob| blob.digest == installer).unwrap().size;
    let [probes, gpu, run] = targets();
    let mut apt =
        vec![target(probes, &packages::PROBES), target(gpu, &packages::GPU), target(run, &packages::DKMS)];
    apt[0].evidence = Some(evidence(&apt[0]));
    apt[1].repositories.push(toolkit());
    Lock {
        lock_version: VERSION,
        serial: manifest.serial,
        created: manifest.created,
        name: manifest.name,
        version: manifest.version,
        channel: manifest.channel,
        platforms: vec![Platform::LinuxAmd64],
        hosts: manifest.hosts,
        installers: Vec::new(),
        k3s: None,
        images: Vec::new(),
        files: vec![File {
            path: INSTALLER.to_owned(),
            mode: "0640".to_owned(),
            origin: "files/example".to_owned(),
            allow_secret: false,
            digest: installer,
            size,
            authenticated_by: "local file".to_owned(),
        }],
        apt,
    }
}

fn target((apt, blobs): (Apt, Vec<Vec<u8>>), wanted: &[Wanted<'_>]) -> apt::Apt {
    let text = |at: usize| String::from_utf8(blobs[at].clone()).unwrap();
    let locked = apt.packages.iter().zip(wanted).map(|(package, wanted)| Package {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        wanted_by: package.wanted_by.clone(),
        url: package.origin.clone(),
        digest: package.blob.digest,
        size: package.blob.size,
        stanza: packages::stanza(wanted, &packages::deb(wanted)).trim_end().to_owned() + "\n",
    });
    apt::Apt {
        packages: locked.collect(),
        keyring: text(wanted.len()),
        in_release: text(blobs.len() - 1),
        request: Digest::of(apt.name.as_bytes()),
        baseline: Baseline { name: apt.baseline, packages: 63 },
        recommends: apt.recommends,
        repositories: vec![archive()],
        install: apt.install,
        nvidia: apt.nvidia,
        name: apt.name,
        host: apt.host,
        platform: apt.platform,
        evidence: None,
    }
}

fn evidence(target: &apt::Apt) -> Evidence {
    Evidence {
        in_release: Digest::of(target.in_release.as_bytes()),
        apt: "apt 2.6.1 (amd64)".to_owned(),
        installed: true,
        output: vec![
            "Setting up airlock-probe-data (3:1.0) ...".to_owned(),
            "Setting up airlock-probe (1:2.0-1) ...".to_owned(),
        ],
    }
}

fn archive() -> Repository {
    Repository {
        uri: "https://example.com/debian".to_owned(),
        suite: "bookworm-backports".to_owned(),
        components: vec!["main".to_owned()],
        release: Release {
            origin: "Debian Backports".to_owned(),
            label: "Debian Backports".to_owned(),
            suite: "oldstable-backports".to_owned(),
            codename: "bookworm-backports".to_owned(),
            version: "12".to_owned(),
            not_automatic: true,
            but_automatic_upgrades: true,
        },
        authenticated_by: "4CB50190207B4758A3F73A796ED0E7B82643E131, SHA-512".to_owned(),
        date: Some("2025-12-31T20:00:00Z".to_owned()),
        indices: vec![Index {
            component: Some("main".to_owned()),
            path: "main/binary-amd64/Packages.xz".to_owned(),
            digest: Digest::of(b"main"),
            size: 309_212,
        }],
    }
}

/// A flat repository.
fn toolkit() -> Repository {
    Repository {
        uri: "https://nvidia.github.io/libnvidia-container/stable/deb/amd64".to_owned(),
        suite: "/".to_owned(),
        components: Vec::new(),
        release: Release::default(),
        authenticated_by: "C95B321B61E88C1809C4F759DDCAE044F796ECB0, SHA-512".to_owned(),
        date: Some("2018-04-27T19:41:26Z".to_owned()),
        indices: vec![Index {
            component: None,
            path: "Packages.xz".to_owned(),
            digest: Digest::of(b"toolkit"),
            size: 27_640,
        }],
    }
}
