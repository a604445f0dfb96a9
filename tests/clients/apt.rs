//! apt takes the packages of a bundle over TLS, with the lines of docs/registry.md.

use std::path::Path;
use std::process::Command;

use crate::bundles::Contents;
use crate::documented::settings;
use crate::serving::Serving;
use crate::tools::{is_there, run, said};

/// What a node does, with directories of its own.
const INSTALL: &str = "set -e
mkdir -p apt/lists/partial apt/archives/partial
apt=\"apt-get -o Dir::Etc::sourcelist=$PWD/airlock.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$PWD/apt/lists
-o Dir::Cache=$PWD/apt -o Dir::Cache::archives=$PWD/apt/archives -o APT::Update::Error-Mode=any
-o Acquire::Languages=none -o APT::Sandbox::User=root -o Debug::NoLocking=1\"
$apt update
$apt --yes --download-only -o APT::Architecture=amd64 install airlock-probe
ls apt/archives";

#[test]
fn apt_takes_packages_over_tls() {
    if !is_there("apt-get") || !is_there("curl") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().canonicalize().unwrap();
    fs_err::create_dir(place.join("stick")).unwrap();
    Contents::with_packages().signed(None).write_to(&place.join("stick"));
    let signers = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle-spec/golden/allowed_signers");
    let arguments = ["--in-place", "stick", "--listen", "127.0.0.1:0", "--tls-directory", "tls"];
    let signers = ["--allowed-signers", signers.to_str().unwrap()];
    let serving = Serving::start(&place, &[&arguments[..], &signers].concat());
    let address = serving.address("https").replace("127.0.0.1", "localhost");
    let authority = place.join("tls/ca.crt");
    let key = format!("https://{address}/apt/debian-12/airlock.asc");
    let mut fetch = Command::new("curl");
    fetch.args(["-sSf", "--noproxy", "*", "--cacert"]).arg(&authority).arg("-o");
    run(fetch.arg(place.join("airlock.asc")).arg(key));

    let source = settings("text", "deb [", &address, "");
    let source = source.replace("/etc/apt/keyrings", place.to_str().unwrap());
    fs_err::write(place.join("airlock.list"), source).unwrap();
    let trust = settings("text", "CaInfo", &address, authority.to_str().unwrap());
    fs_err::write(place.join("apt.conf"), trust.replace("registry.lab", "localhost")).unwrap();
    let output = Command::new("sh")
        .args(["-c", INSTALL])
        .current_dir(&place)
        .env("APT_CONFIG", place.join("apt.conf"))
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("airlock-probe_1%3a2.0-1_amd64.deb"), "{}", said(&output));
}
