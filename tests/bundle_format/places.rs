//! Finding the volumes of a bundle in a directory.

use airlock::bundle::{Bundle, names};
use airlock::trust::signature::Signer as _;

use crate::support::*;

fn open(path: &std::path::Path) -> airlock::error::Result<Bundle<airlock::bundle::Verified>> {
    Bundle::open(path)?.verify(&test_policy())
}

#[test]
fn a_directory_or_any_volume_leads_to_the_whole_bundle() {
    let directory = tempfile::tempdir().unwrap();
    Contents::large().signed(Some(VOLUME_SIZE)).write_to(directory.path());
    fs_err::write(directory.path().join("install"), b"program").unwrap();
    fs_err::write(directory.path().join("backup.tar"), b"not ours").unwrap();
    for name in ["", "golden-1.0.1-of-2.tar", "golden-1.0.2-of-2.tar"] {
        let bundle = open(&directory.path().join(name)).unwrap();
        let names: Vec<_> = bundle.volume_names().collect();
        assert_eq!(names, ["golden-1.0.1-of-2.tar", "golden-1.0.2-of-2.tar"]);
        check(&bundle).unwrap();
    }
}

#[test]
fn several_bundles_in_one_directory_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    expect_error(open(directory.path()), 2, "there is no bundle in");
    expect_error(open(&directory.path().join("none")), 2, "does not exist");
    let small = Contents::with_files(&[b"one\n"]).signed(None);
    small.write_to(directory.path());
    assert!(open(directory.path()).is_ok());
    fs_err::write(directory.path().join("lab-2.0.tar"), &small.0[0].1).unwrap();
    let error = expect_error(open(directory.path()), 2, "holds 2 bundles");
    assert_eq!(error.details(), ["there is golden-1.0", "there is lab-2.0"]);
    assert!(open(&directory.path().join("lab-2.0.tar")).is_ok());
}

#[test]
fn a_missing_or_foreign_volume_in_a_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    Contents::large().signed(Some(VOLUME_SIZE)).write_to(directory.path());
    let second = directory.path().join("golden-1.0.2-of-2.tar");
    let other = Contents::with_files(&[&[1; 150_000]]).signed(Some(VOLUME_SIZE));
    fs_err::write(&second, &other.0[1].1).unwrap();
    expect_error(open(directory.path()), 4, "golden-1.0.2-of-2.tar belongs to another bundle");
    fs_err::write(&second, b"").unwrap();
    expect_error(open(directory.path()), 3, "golden-1.0.2-of-2.tar is not a bundle: this is an empty file");
    fs_err::remove_file(&second).unwrap();
    expect_error(open(directory.path()), 4, "volume 2 of 2 is missing: golden-1.0.2-of-2.tar");
}

#[test]
fn signatures_beside_the_volumes_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let contents = Contents::with_files(&[b"one\n"]);
    contents.volumes(None, None).write_to(directory.path());
    expect_error(open(directory.path()), 5, "the bundle is not signed");
    let name = names::signature_file("golden-1.0", &test_key().public_key().short_id());
    fs_err::write(directory.path().join(&name), contents.sign()).unwrap();
    assert_eq!(open(directory.path()).unwrap().signers().len(), 1);
    fs_err::write(directory.path().join(&name), vec![b'-'; 100_000]).unwrap();
    expect_error(open(directory.path()), 5, "is not an SSH signature");
}

#[test]
fn volumes_and_signatures_may_lie_in_several_directories() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let contents = Contents::large();
    contents.volumes(None, Some(VOLUME_SIZE)).write_to(first.path());
    let name = "golden-1.0.2-of-2.tar";
    fs_err::copy(first.path().join(name), second.path().join(name)).unwrap();
    fs_err::remove_file(first.path().join(name)).unwrap();
    let signature = names::signature_file("golden-1.0", &test_key().public_key().short_id());
    fs_err::write(second.path().join(signature), contents.sign()).unwrap();
    let directories = [first.path().to_owned(), second.path().to_owned()];
    let bundle = Bundle::open_volumes(&directories).unwrap().verify(&test_policy()).unwrap();
    assert_eq!(bundle.signers().len(), 1);
    check(&bundle).unwrap();
    let twice = [first.path().to_owned(), first.path().to_owned()];
    expect_error(Bundle::open_volumes(&twice), 4, "volume 1 of 2 is there twice");
}
