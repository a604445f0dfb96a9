//! Bundles that were imported into the store: their packages, their signed manifests, several generations of them.

use std::path::Path;
use std::process::Command;

use airlock::bundle::manifest::Artifact;
use airlock::oci::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bundles::{Contents, manifest, test_key};
use crate::command::{Process, get, serve};
use crate::packages::{Wanted, repository};
use crate::support::Answer;

const OLD: Wanted<'static> = ("hello", "1.0", "amd64", "");
const NEW: Wanted<'static> = ("hello", "2.0", "amd64", "");

/// A bundle with an image, a file and a package repository.
fn contents(package: Wanted<'static>, file: &[u8]) -> Contents {
    let usual = Contents::with_files(&[file]);
    let (apt, packages) = repository("noble", &[package]);
    let mut artifacts = usual.manifest.artifacts;
    artifacts.push(Artifact::Apt(apt));
    let mut blobs = usual.blobs;
    blobs.extend(packages);
    Contents { manifest: manifest(artifacts, &blobs), blobs }
}

fn airlock(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airlock"));
    command.args(arguments).args(["--store", "store", "--quiet"]).current_dir(directory);
    let output = command.env_clear().env("HOME", directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn import(directory: &Path, name: &str, contents: &Contents) {
    fs_err::create_dir(directory.join(name)).unwrap();
    contents.signed(None).write_to(&directory.join(name));
    let signer = airlock::trust::signature::Signer::public_key(&test_key()).allowed_line("test");
    fs_err::write(directory.join("signers"), signer).unwrap();
    airlock(directory, &["store", "import", name, "--allowed-signers", "signers"]);
}

fn start(directory: &Path) -> Process {
    Process::start(&mut serve(directory, &["--store", "store", "--listen", "http://127.0.0.1:0"]))
}

fn ask(address: &str, method: &str, target: &str, header: &str) -> Answer {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n\r\n").unwrap();
    Answer::read(stream)
}

fn digest(contents: &Contents) -> String {
    Digest::of(&contents.manifest.to_bytes()).to_string()
}

#[test]
fn what_was_signed_comes_back_as_it_was_imported() {
    let directory = tempfile::tempdir().unwrap();
    let contents = contents(OLD, b"of the first");
    import(directory.path(), "first", &contents);
    let mut process = start(directory.path());
    let address = process.address("http");
    let bytes = contents.manifest.to_bytes();
    for target in
        ["/airlock/v1/manifest".to_owned(), format!("/airlock/v1/manifest?bundle={}", digest(&contents))]
    {
        let answer = get(&address, &target);
        assert_eq!((answer.status, &answer.body), (200, &bytes));
        assert_eq!(answer.header("docker-content-digest"), Some(digest(&contents).as_str()));
        let etag = answer.header("etag").unwrap();
        let again = ask(&address, "GET", &target, &format!("If-None-Match: {etag}"));
        assert_eq!((again.status, again.body.len()), (304, 0));
        let head = ask(&address, "HEAD", &target, "X: y");
        assert_eq!(head.header("content-length"), Some(bytes.len().to_string().as_str()));
        let part = ask(&address, "GET", &target, "Range: bytes=10-19");
        assert_eq!((part.status, &part.body[..]), (206, &bytes[10..20]));
    }
    let signatures = get(&address, "/airlock/v1/signatures").json();
    assert_eq!(signatures["bundle"], digest(&contents));
    assert_eq!(STANDARD.decode(signatures["signatures"][0].as_str().unwrap()).unwrap(), contents.sign());
    for blob in &contents.blobs {
        let target = format!("/airlock/v1/blobs/{}", Digest::of(blob));
        let whole = get(&address, &target);
        assert_eq!((whole.status, &whole.body), (200, blob));
        if blob.len() > 4 {
            let part = ask(&address, "GET", &target, "Range: bytes=-3");
            assert_eq!((part.status, &part.body[..]), (206, &blob[blob.len() - 3..]));
        }
        let etag = whole.header("etag").unwrap();
        assert_eq!(ask(&address, "GET", &target, &format!("If-None-Match: {etag}")).status, 304);
    }
    let unknown = Digest::of(b"another bundle");
    for target in ["manifest", "signatures"] {
        let answer = get(&address, &format!("/airlock/v1/{target}?bundle={unknown}"));
        assert_eq!(answer.refusal(), (404, "MANIFEST_UNKNOWN".to_owned()));
        let answer = get(&address, &format!("/airlock/v1/{target}?bundle=sha256:bad"));
        assert_eq!(answer.refusal(), (400, "DIGEST_INVALID".to_owned()));
    }
}

#[test]
fn the_newest_generation_counts_until_it_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (contents(OLD, b"of the first"), contents(NEW, b"of the second"));
    let mut process = start(directory.path());
    let address = process.address("http");
    assert_eq!(get(&address, "/airlock/v1/manifest").status, 404);
    assert_eq!(get(&address, "/apt/noble/Packages").refusal(), (404, "NAME_UNKNOWN".to_owned()));
    let packages = |contents: &Contents| {
        let apt = contents.manifest.artifacts.iter().find_map(|artifact| match artifact {
            Artifact::Apt(apt) => apt.files.iter().find(|file| file.path == "Packages"),
            _ => None,
        });
        let digest = apt.unwrap().blob.digest;
        contents.blobs.iter().find(|blob| Digest::of(blob) == digest).unwrap().clone()
    };
    let served = || get(&address, "/apt/noble/Packages").body;
    let deb = |version: &str| get(&address, &format!("/apt/noble/pool/hello_{version}_amd64.deb")).status;
    let newest = || get(&address, "/airlock/v1/manifest").header("docker-content-digest").unwrap().to_owned();
    import(directory.path(), "first", &old);
    assert_eq!((newest(), served(), deb("1.0"), deb("2.0")), (digest(&old), packages(&old), 200, 404));
    import(directory.path(), "second", &new);
    assert_eq!((newest(), served(), deb("1.0"), deb("2.0")), (digest(&new), packages(&new), 404, 200));
    let target = format!("/airlock/v1/manifest?bundle={}", digest(&old));
    assert_eq!(get(&address, &target).status, 200, "older ones are there by their digest");
    airlock(directory.path(), &["store", "remove", &digest(&new)]);
    assert_eq!((newest(), served(), deb("1.0"), deb("2.0")), (digest(&old), packages(&old), 200, 404));
    let target = format!("/airlock/v1/manifest?bundle={}", digest(&new));
    assert_eq!(get(&address, &target).status, 404);
    airlock(directory.path(), &["store", "remove", &digest(&old)]);
    assert_eq!(get(&address, "/apt/noble/Packages").status, 404);
    assert_eq!(get(&address, "/v2/docker.io/library/golden/manifests/1.0").status, 404);
}

#[test]
fn a_damaged_blob_is_reported_and_repaired_while_it_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let file = vec![b'f'; 700_000];
    import(directory.path(), "first", &contents(OLD, &file));
    let name = Digest::of(&file);
    let path = directory.path().join("store/blobs/sha256").join(name.hex());
    let mut damaged = file.clone();
    damaged[350_000] ^= 1;
    fs_err::write(&path, &damaged).unwrap();
    let mut process = start(directory.path());
    let address = process.address("http");
    let target = format!("/airlock/v1/blobs/{name}");
    assert!(get(&address, &target).body.len() < file.len(), "the transfer breaks off");
    let report = process.wait_for("E0638");
    assert!(report.contains("airlock store repair --from"), "{report}");
    airlock(directory.path(), &["store", "repair", "--from", "first", "--allowed-signers", "signers"]);
    assert_eq!(get(&address, &target).body, file);
}
