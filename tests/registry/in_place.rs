//! Serving a bundle as it lies: its images, its packages, its signed manifest.

use std::process::Command;

use airlock::bundle::manifest::Artifact;
use airlock::oci::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::bundles::{Contents, manifest, test_key};
use crate::command::{Process, get, serve};
use crate::packages::{Wanted, repository};
use crate::tools::is_there;

/// One package, whose version has a character that clients quote in different ways.
const HELLO: Wanted<'static> = ("hello", "1.0+b1", "amd64", "");

/// A bundle with the usual image and a package repository.
fn contents() -> Contents {
    let usual = Contents::with_files(&[]);
    let (apt, packages) = repository("noble", &[HELLO]);
    let mut artifacts = usual.manifest.artifacts;
    artifacts.push(Artifact::Apt(apt));
    let mut blobs = usual.blobs;
    blobs.extend(packages);
    Contents { manifest: manifest(artifacts, &blobs), blobs }
}

fn start(directory: &std::path::Path, contents: &Contents, more: &[&str]) -> Process {
    let stick = directory.join("stick");
    fs_err::create_dir(&stick).unwrap();
    contents.signed(None).write_to(&stick);
    let signer = airlock::trust::signature::Signer::public_key(&test_key()).allowed_line("test");
    fs_err::write(directory.join("signers"), signer).unwrap();
    let arguments = ["--in-place", "stick", "--allowed-signers", "signers", "--listen", "http://127.0.0.1:0"];
    Process::start(&mut serve(directory, &[&arguments[..], more].concat()))
}

#[test]
fn a_bundle_is_served_without_being_copied() {
    let directory = tempfile::tempdir().unwrap();
    let contents = contents();
    let mut process = start(directory.path(), &contents, &[]);
    let address = process.address("http");
    let image = get(&address, "/v2/library/golden/manifests/1.0?ns=docker.io");
    assert_eq!((image.status, &image.body), (200, &contents.blobs[1]));
    for layer in image.json()["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap();
        // Hashed as it passes, then as it lies.
        for _ in 0..2 {
            let bytes = get(&address, &format!("/v2/docker.io/library/golden/blobs/{digest}")).body;
            assert_eq!(Digest::of(&bytes).to_string(), digest);
        }
    }
    assert_eq!(get(&address, "/v2/_catalog").text(), r#"{"repositories":["docker.io/library/golden"]}"#);
    assert!(!directory.path().join("stick/oci-layout").exists());
    assert_eq!(fs_err::read_dir(directory.path().join("stick")).unwrap().count(), 1, "nothing was written");
}

#[test]
fn packages_are_served_under_their_names_and_digests() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = start(directory.path(), &contents(), &[]);
    let address = process.address("http");
    let (apt, blobs) = repository("noble", &[HELLO]);
    let bytes = |digest: Digest| blobs.iter().find(|bytes| Digest::of(bytes) == digest).unwrap();
    let files = apt.files.iter().map(|file| (file.path.clone(), file.blob.digest));
    let by_hash =
        apt.files.iter().map(|file| (format!("by-hash/SHA256/{}", file.blob.digest.hex()), file.blob.digest));
    let package = apt.packages[0].blob.digest;
    let quoted = ["pool/hello_1.0+b1_amd64.deb", "pool/hello_1.0%2bb1_amd64.deb"]
        .map(|path| (path.to_owned(), package));
    for (path, digest) in files.chain(by_hash).chain(quoted) {
        let answer = get(&address, &format!("/apt/noble/{path}"));
        assert_eq!((answer.status, &answer.body), (200, bytes(digest)), "{path}");
    }
    for path in ["/apt/noble/Release", "/apt/other/Packages", "/apt/noble/pool/../Packages"] {
        assert_eq!(get(&address, path).refusal(), (404, "NAME_UNKNOWN".to_owned()), "{path}");
    }
}

/// What a node does, with directories of its own.
const INSTALL: &str = "set -e
mkdir -p apt/lists/partial apt/archives/partial
apt=\"apt-get -o Dir::Etc::sourcelist=$PWD/airlock.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$PWD/apt/lists
-o Dir::Cache=$PWD/apt -o Dir::Cache::archives=$PWD/apt/archives -o APT::Update::Error-Mode=any
-o Acquire::Languages=none -o APT::Sandbox::User=root -o Debug::NoLocking=1\"
$apt update
$apt --yes --download-only -o APT::Architecture=amd64 install hello=1.0+b1
cat apt/archives/hello_1.0+b1_amd64.deb | sha256sum";

#[test]
fn the_real_apt_takes_packages_over_http() {
    if !is_there("apt-get") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut process = start(directory.path(), &contents(), &[]);
    let address = process.address("http");
    let place = directory.path().canonicalize().unwrap();
    fs_err::write(place.join("airlock.asc"), get(&address, "/apt/noble/airlock.asc").body).unwrap();
    let source = format!(
        "deb [signed-by={}/airlock.asc check-date=no] http://{address}/apt/noble ./\n",
        place.display()
    );
    fs_err::write(place.join("airlock.list"), source).unwrap();
    let output =
        Command::new("sh").args(["-c", INSTALL]).current_dir(&place).env("LC_ALL", "C").output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    let package = repository("noble", &[HELLO]).0.packages[0].blob.digest;
    assert!(said.contains(&package.hex()), "{said}");
}

#[test]
fn other_nodes_get_what_was_signed() {
    let directory = tempfile::tempdir().unwrap();
    let contents = contents();
    let mut process = start(directory.path(), &contents, &[]);
    let address = process.address("http");
    let bytes = contents.manifest.to_bytes();
    let digest = Digest::of(&bytes);
    for target in ["/airlock/v1/manifest".to_owned(), format!("/airlock/v1/manifest?bundle={digest}")] {
        let answer = get(&address, &target);
        assert_eq!((answer.status, &answer.body), (200, &bytes));
        assert_eq!(answer.header("docker-content-digest"), Some(digest.to_string().as_str()));
    }
    let signatures = get(&address, "/airlock/v1/signatures").json();
    assert_eq!(signatures["bundle"], digest.to_string());
    let signature = STANDARD.decode(signatures["signatures"][0].as_str().unwrap()).unwrap();
    assert_eq!(signature, contents.sign());
    let other = Digest::of(b"another bundle");
    assert_eq!(get(&address, &format!("/airlock/v1/manifest?bundle={other}")).status, 404);
    for bytes in &contents.blobs {
        let answer = get(&address, &format!("/airlock/v1/blobs/{}", Digest::of(bytes)));
        assert_eq!((answer.status, &answer.body), (200, bytes));
    }
}

#[test]
fn what_is_pushed_over_a_bundle_may_use_its_layers() {
    let directory = tempfile::tempdir().unwrap();
    let token = "token-of-the-tests-0123456789";
    let file = directory.path().join("token");
    fs_err::write(&file, token).unwrap();
    fs_err::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let contents = contents();
    let mut process = start(directory.path(), &contents, &["--store", "store", "--token-file", "token"]);
    let address = process.address("http");
    let mut image: serde_json::Value = serde_json::from_slice(&contents.blobs[1]).unwrap();
    image["annotations"] = serde_json::json!({"changed": "here"});
    let body = image.to_string();
    let put = |name: &str| {
        use std::io::Write as _;
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        let media_type = image["mediaType"].as_str().unwrap();
        let head = format!(
            "PUT /v2/docker.io/library/{name}/manifests/2.0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        crate::support::Answer::read(stream)
    };
    assert_eq!(put("golden").status, 201);
    assert_eq!(get(&address, "/v2/docker.io/library/golden/manifests/2.0").text(), body);
    assert_eq!(
        get(&address, "/v2/docker.io/library/golden/tags/list").json()["tags"],
        serde_json::json!(["1.0", "2.0"])
    );
    assert_eq!(
        put("other").refusal(),
        (404, "MANIFEST_BLOB_UNKNOWN".to_owned()),
        "not from another repository"
    );
}
