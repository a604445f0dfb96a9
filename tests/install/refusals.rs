//! What the command refuses, by exit status and message. Nothing here comes as far as a change.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use airlock::trust::signature::Signer as _;
use tempfile::TempDir;

use super::bundles::{Contents, test_key};
use super::machine::contents;

const PROGRAM: &str = env!("CARGO_BIN_EXE_airlock");

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: this needs root, and changes nothing");
    }
    root
}

/// Medium and lists in a directory.
struct Stage(TempDir);

impl Stage {
    fn new(contents: &Contents, signature: Option<&[u8]>) -> Stage {
        let stage = Stage(tempfile::tempdir().unwrap());
        fs_err::create_dir(stage.medium()).unwrap();
        contents.volumes(signature, None).write_to(&stage.medium());
        fs_err::write(stage.path("signers"), test_key().public_key().allowed_line("release")).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn medium(&self) -> PathBuf {
        self.path("medium")
    }

    /// `airlock install MEDIUM --plan …`.
    fn plan(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("install").arg(self.medium());
        command.arg("--plan").args(arguments).current_dir(self.0.path());
        command.output().unwrap()
    }
}

#[track_caller]
fn expect(output: &Output, status: i32, part: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(part), "`{part}` is not in:\n{said}");
}

#[test]
fn others_than_root_are_told_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("install");
    fs_err::copy(PROGRAM, &program).unwrap();
    for path in [directory.path(), &program] {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(["--role", "agent", "--join", "https://a b:6443"]).current_dir("/");
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    expect(&output, 7, "error[E1055]: making a machine a node needs root");
    expect(&output, 7, &format!("`sudo {} --role agent --join 'https://a b:6443'`", program.display()));
}

#[test]
fn signatures_are_demanded() {
    if !is_root() || Path::new("/etc/airlock/allowed_signers").exists() {
        return eprintln!("SKIPPED: this machine has signers of its own");
    }
    let contents = contents();
    let fingerprint = test_key().public_key().fingerprint();
    let unsigned = Stage::new(&contents, None);
    let signed = Stage::new(&contents, Some(&contents.sign()));
    let other = airlock::trust::key::generate("other", None).unwrap().public;
    fs_err::write(signed.path("others"), other.allowed_line("other")).unwrap();
    fs_err::write(signed.path("revoked"), test_key().public_key().to_line()).unwrap();
    expect(&signed.plan(&[]), 5, &format!("`--trust {fingerprint}`"));
    expect(&signed.plan(&[]), 5, "error[E1050]");
    expect(&signed.plan(&["--trust", "SHA256:abc"]), 5, "error[E1051]");
    expect(&signed.plan(&["--allowed-signers", "others"]), 5, "which is not trusted here");
    expect(&signed.plan(&["--allowed-signers", "others"]), 5, "--trust SHA256:");
    expect(&signed.plan(&["--allowed-signers", "signers", "--revoked", "revoked"]), 5, "is revoked");
    expect(&signed.plan(&["--allowed-signers", "signers", "--signatures", "2"]), 5, "2 are required");
    expect(&signed.plan(&["--allowed-signers", "signers", "--minimum-serial", "8"]), 6, "serial 7");
    expect(&unsigned.plan(&["--allowed-signers", "signers"]), 5, "the bundle is not signed");
    expect(&unsigned.plan(&[]), 5, "nobody has signed");
    expect(&unsigned.plan(&["--trust", &fingerprint]), 5, "error[E1051]");
}

#[test]
fn what_is_no_bundle_is_told_with_its_own_status() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&contents(), Some(&contents().sign()));
    let volume = fs_err::read_dir(stage.medium()).unwrap().next().unwrap().unwrap().path();
    let whole = fs_err::read(&volume).unwrap();
    let list = ["--allowed-signers", "signers"];
    for (bytes, status) in [(&b""[..], 3), (b"PK\x03\x04 a zip", 3), (&whole[..600], 4), (&[7; 2048], 3)] {
        fs_err::write(&volume, bytes).unwrap();
        expect(&stage.plan(&list), status, "error[E04");
    }
    fs_err::remove_file(&volume).unwrap();
    let output = stage.plan(&list);
    assert!(!output.status.success());
}

#[test]
fn settings_that_cannot_work_are_told_before_the_bundle_is_opened() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(&contents(), None);
    for (arguments, status, part) in [
        (&["--role", "agent"][..], 3, "which server it joins"),
        (&["--role", "worker"], 2, "possible values: server, agent"),
        (&["--join", "http://a:6443"], 3, "--join"),
        (&["--label", "a"], 2, "a label is KEY=VALUE"),
        (&["--http-port", "6443"], 3, "used for something else"),
        (&["--cluster-cidr", "10.42.1.0/16"], 2, "is no network"),
        (&["--set-clock", "noon"], 2, "--set-clock"),
        (&["--peer", "https://a:5443", "--in-place"], 2, "--in-place"),
        (&["--from", "https://a:5443"], 2, "cannot be used with"),
    ] {
        expect(&stage.plan(arguments), status, part);
    }
}

#[test]
fn a_clock_before_the_bundle_is_wrong() {
    if !is_root() {
        return;
    }
    let mut contents = contents();
    contents.manifest.created = "2190-01-01T00:00:00Z".to_owned();
    let stage = Stage::new(&contents, Some(&contents.sign()));
    let list = ["--allowed-signers", "signers"];
    expect(&stage.plan(&list), 7, "it cannot be earlier than 2190-01-01T00:00:00Z");
    expect(&stage.plan(&list), 7, "--set-clock TIME");
}

#[test]
fn a_bundle_for_other_machines_is_refused() {
    if !is_root() || !cfg!(target_arch = "x86_64") {
        return;
    }
    let mut contents = contents();
    contents.manifest.artifacts.retain(|artifact| artifact.kind() != "k3s");
    contents.manifest = super::bundles::manifest(contents.manifest.artifacts.clone(), &contents.blobs);
    let k3s = contents.blobs.iter().position(|bytes| bytes.ends_with(b"k3s stand-in\n")).unwrap();
    contents.blobs.remove(k3s);
    contents.manifest.blobs.remove(k3s);
    let stage = Stage::new(&contents, Some(&contents.sign()));
    expect(&stage.plan(&["--allowed-signers", "signers"]), 7, "does not have k3s for this machine");
}

#[test]
fn a_machine_that_is_no_node_is_neither_checked_nor_repaired() {
    for (command, what) in [("verify", "checking a node"), ("repair", "repairing a node")] {
        let run = |as_root: bool| {
            let mut airlock = Command::new(PROGRAM);
            airlock.env_clear().env("PATH", "/usr/bin:/bin").args(["node", command]).current_dir("/");
            if !as_root && rustix::process::geteuid().is_root() {
                airlock.uid(65534).gid(65534);
            }
            airlock.output().unwrap()
        };
        if !Path::new(PROGRAM).starts_with("/root") {
            expect(&run(false), 7, &format!("error[E1055]: {what} needs root"));
        }
        if is_root() && !Path::new("/var/lib/airlock/settings.json").exists() {
            expect(&run(true), 2, "error[E1066]: nothing was installed on this machine by airlock");
        }
    }
}
