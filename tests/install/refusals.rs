//! What the command refuses, by exit status and message. Nothing here comes as far as a change.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use airlock::node::registry::fingerprint;
use airlock::trust::signature::{Signer as _, sign};

use super::bundles::{Contents, VOLUME_SIZE, test_key};
use super::machine::{Host, contents};
use super::stage::{PROGRAM, Stage};

pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: this needs root, and changes nothing");
    }
    root
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

/// One refusal of a bundle, as it is told.
struct Refusals(String);

impl Refusals {
    fn add(&mut self, what: &str, stage: &Stage, arguments: &[&str]) {
        self.0 += &format!("== {what}\n{}\n", stage.told(&stage.plan(arguments)));
    }
}

#[test]
fn every_bundle_that_cannot_be_used_is_told_as_what_it_is() {
    if !is_root() {
        return;
    }
    let mut refusals = Refusals(String::new());
    let signed = contents().signed(None);
    let list = ["--allowed-signers", "signers"];
    let mut damaged = |what: &str, damage: &dyn Fn(&mut Vec<u8>)| {
        let mut volumes = signed.clone();
        damage(volumes.first());
        let stage = Stage::empty();
        volumes.write_to(&stage.medium());
        refusals.add(what, &stage, &list);
    };
    damaged("a file without a byte", &|bytes| bytes.clear());
    damaged("random bytes", &|bytes| {
        bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at * 7 + 1) as u8)
    });
    damaged("a zip archive", &|bytes| *bytes = b"PK\x03\x04 a zip".to_vec());
    damaged("a gzip file", &|bytes| *bytes = b"\x1f\x8b\x08\0".to_vec());
    damaged("cut off after the header", &|bytes| bytes.truncate(600));
    damaged("cut off in the middle", &|bytes| bytes.truncate(bytes.len() / 2));
    damaged("without its last byte", &|bytes| bytes.truncate(bytes.len() - 1));
    damaged("with something behind it", &|bytes| bytes.extend_from_slice(&[1; 512]));
    damaged("one bit of the header", &|bytes| bytes[3] ^= 1);
    damaged("one bit of the manifest", &|bytes| {
        let at = bytes.windows(8).position(|window| window == b"\"stable\"").unwrap();
        bytes[at + 1] ^= 1;
    });
    damaged("one bit of the signature", &|bytes| {
        let at = bytes.windows(9).position(|window| window == b"BEGIN SSH").unwrap();
        bytes[at + 40] ^= 1;
    });
    insta::assert_snapshot!("bundles-that-are-damaged", refusals.0);
}

#[test]
fn a_signature_for_something_else_is_none() {
    if !is_root() {
        return;
    }
    let contents = contents();
    let signature = sign(&test_key(), "git", &contents.manifest.to_bytes()).unwrap();
    let stage = Stage::new(&contents, Some(signature.as_bytes()));
    let output = stage.plan(&["--allowed-signers", "signers"]);
    expect(&output, 5, "error[E0503]");
}

#[test]
fn volumes_that_do_not_belong_together_are_named() {
    if !is_root() {
        return;
    }
    let mut refusals = Refusals(String::new());
    let list = ["--allowed-signers", "signers"];
    let (large, other) =
        (Contents::with_files(&[&[1; 300_000]]).signed(Some(VOLUME_SIZE)), contents().signed(None));
    let count = large.0.len();
    assert!(count > 2, "{count}");
    let mut medium = |what: &str, put: &dyn Fn(&Stage)| {
        let stage = Stage::empty();
        put(&stage);
        refusals.add(what, &stage, &list);
    };
    let write =
        |stage: &Stage, name: &str, bytes: &[u8]| fs_err::write(stage.medium().join(name), bytes).unwrap();
    medium("no volume at all", &|_| {});
    medium("a volume is missing", &|stage| {
        large.write_to(&stage.medium());
        fs_err::remove_file(stage.medium().join(&large.0[1].0)).unwrap();
    });
    medium("a volume is cut off", &|stage| {
        large.write_to(&stage.medium());
        write(stage, &large.0[1].0, &large.0[1].1[..1000]);
    });
    medium("a volume is there twice", &|stage| {
        large.write_to(&stage.medium());
        write(stage, &large.0[2].0, &large.0[1].1);
    });
    medium("a volume of another bundle", &|stage| {
        large.write_to(&stage.medium());
        let stranger = Contents::with_files(&[&[2; 300_000]]).signed(Some(VOLUME_SIZE));
        write(stage, &stranger.0[1].0, &stranger.0[1].1);
    });
    medium("two bundles in one directory", &|stage| {
        large.write_to(&stage.medium());
        write(stage, "other-2.0.tar", &other.0[0].1);
    });
    insta::assert_snapshot!("volumes-that-do-not-belong-together", refusals.0);
}

#[test]
fn settings_and_tokens_are_told_with_their_place() {
    if !is_root() {
        return;
    }
    let mut refusals = Refusals(String::new());
    let stage = Stage::new(&contents(), Some(&contents().sign()));
    for (what, text) in [
        ("no JSON", "{\n  \"role\": \"agent\"\n  \"join\": \"https://a:6443\"\n}\n"),
        ("an unknown key", "{\n  \"rolle\": \"agent\"\n}\n"),
        ("an unknown word", "{\"role\": \"master\"}"),
        ("a file that ends too soon", "{\"role\": "),
        ("escape sequences", "{\"\u{1b}[2J\": 1}"),
    ] {
        fs_err::write(stage.path("node.json"), text).unwrap();
        refusals.add(&format!("settings: {what}"), &stage, &["--settings", "node.json"]);
    }
    refusals.add("settings: no file", &stage, &["--settings", "none.json"]);
    let from = ["--allowed-signers", "signers", "--role", "agent", "--join", "https://127.0.0.1:6443"];
    refusals.add("a policy that cannot be read", &stage, &[&from[..], &["--policy", "none.yaml"]].concat());
    insta::assert_snapshot!("settings-that-cannot-be-used", refusals.0);
}

#[test]
fn a_server_that_is_not_there_or_another_one_is_told() {
    if !is_root() {
        return;
    }
    let mut refusals = Refusals(String::new());
    let stage = Stage::empty();
    let server = Host::new();
    server.install(true).unwrap();
    let there = format!("https://127.0.0.1:{}", server.port);
    let other = test_key().public_key().fingerprint();
    for (what, url, fingerprint) in [
        ("nobody answers", "https://127.0.0.1:1", other.as_str()),
        ("another fingerprint", &there, &other),
        ("a fingerprint that is none", &there, "SHA256:abc"),
    ] {
        let arguments = ["--role", "agent", "--join", "https://127.0.0.1:6443", "--from", url];
        let output = stage.install(&[&arguments[..], &["--plan", "--ca-fingerprint", fingerprint]].concat());
        let told = stage.told(&output).replace(&server.port.to_string(), "PORT");
        let own = server.read("/etc/airlock/registry-ca.crt");
        let told = told.replace(&fingerprint::of_pem(own.as_bytes()).unwrap(), "SHA256:ITS-OWN");
        refusals.0 += &format!("== {what}\n{told}\n");
    }
    insta::assert_snapshot!("servers-that-are-not-believed", refusals.0);
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
