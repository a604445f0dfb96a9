//! The golden bundles: read for ever, and reproduced byte for byte.

use std::path::{Path, PathBuf};

use airlock::bundle::Bundle;
use airlock::bundle::manifest::Artifact;
use airlock::lock::file;
use airlock::oci::digest::Digest;
use airlock::trust::allowed_signers::AllowedSigners;
use airlock::trust::policy::Policy;

use crate::support::*;

const GOLDEN: &[(&str, Option<u64>)] =
    &[("single", None), ("volumes", Some(VOLUME_SIZE)), ("packages", None)];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle-spec/golden")
}

fn policy() -> Policy {
    let text = fs_err::read_to_string(directory().join("allowed_signers")).unwrap();
    Policy::new(AllowedSigners::parse("allowed_signers", &text).unwrap())
}

#[test]
fn every_golden_bundle_is_read() {
    for (name, _) in GOLDEN {
        let bundle = Bundle::open(&directory().join(name)).unwrap().verify(&policy()).unwrap();
        assert_eq!(bundle.signers()[0].principal, "test");
        let report = check(&bundle).unwrap();
        assert_eq!(report.blobs, bundle.manifest().blobs.len());
    }
}

#[test]
fn the_writer_reproduces_every_golden_bundle() {
    for (name, size) in GOLDEN {
        let bundle = Bundle::open(&directory().join(name)).unwrap().verify(&policy()).unwrap();
        let read = |blob: &airlock::bundle::manifest::Blob| bundle.read_blob(blob.digest, u64::MAX).unwrap();
        let manifest = bundle.manifest().clone();
        let contents = Contents { blobs: manifest.blobs.iter().map(read).collect(), manifest };
        assert_eq!(contents.manifest.to_bytes(), bundle.manifest_bytes(), "the serialisation is stable");
        for (file, bytes) in contents.signed(*size).0 {
            let golden = fs_err::read(directory().join(name).join(&file)).unwrap();
            assert!(golden == bytes, "{name}/{file} is not reproduced");
        }
    }
}

/// What they were made of.
fn contents(name: &str) -> Contents {
    match name {
        "single" => Contents::with_files(&[b"one\n", b"two\n"]),
        "volumes" => Contents::large(),
        "packages" => Contents::with_packages(),
        _ => panic!("nobody knows what {name} is made of"),
    }
}

/// Also the repositories in them: whoever has the lock can build the bundle again.
#[test]
fn every_golden_bundle_can_be_made_again() {
    for (name, size) in GOLDEN {
        for (file, bytes) in contents(name).signed(*size).0 {
            let golden = fs_err::read(directory().join(name).join(&file)).unwrap();
            assert!(golden == bytes, "{name}/{file} would be another today");
        }
    }
}

/// `locks/packages.lock` pins what is in `packages/`: both are the same repositories.
#[test]
fn the_golden_lock_pins_the_golden_packages() {
    let text = fs_err::read_to_string(directory().join("locks/packages.lock")).unwrap();
    let lock = file::parse(&text, "packages.lock").unwrap();
    let manifest = contents("packages").manifest;
    assert_eq!(lock.apt.len(), 3);
    for locked in lock.apt {
        let Artifact::Apt(apt) = manifest.find(&locked.name).unwrap() else { panic!("a repository") };
        assert_eq!((&apt.install, &apt.nvidia), (&locked.install, &locked.nvidia));
        let pinned = locked.packages.iter().map(|package| package.digest);
        let metadata = apt.files.iter().map(|file| file.blob.digest);
        assert_eq!(pinned.chain(metadata).collect::<Vec<_>>(), apt.blobs);
        assert_eq!(Digest::of(locked.keyring.as_bytes()), apt.files[0].blob.digest);
        assert_eq!(Digest::of(locked.in_release.as_bytes()), apt.in_release());
    }
}

/// Writes the golden bundles that are missing; never touches one that exists.
#[test]
#[ignore = "run once for a new golden bundle: cargo test --test bundle_format make_missing -- --ignored"]
fn make_missing_golden_bundles() {
    for (name, size) in GOLDEN {
        let target = directory().join(name);
        if fs_err::metadata(&target).is_ok() {
            continue;
        }
        fs_err::create_dir(&target).unwrap();
        contents(name).signed(*size).write_to(&target);
    }
    every_golden_bundle_is_read();
}
