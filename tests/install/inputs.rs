//! Bundles that somebody has made to be wrong, by command: the program reads as much as it has to, in little memory, and
//! says what they are. Some are so only while they are read.

use std::process::{Command, Output, Stdio};

use airlock::bundle::volume::VolumeHeader;
use airlock::bundle::{names, ustar};
use airlock::oci::digest::Digest;
use airlock::trust::key;
use airlock::trust::key_file::KeyFile;
use airlock::trust::signature::{MANIFEST_NAMESPACE, Signer as _, sign};
use serde_json::Value;

use super::bundles::{Volumes, test_key};
use super::machine::contents;
use super::refusals::is_root;
use super::stage::{PROGRAM, Stage};

/// What the program may have of memory, in KiB of addresses; a manifest of 2^33 bytes would not fit.
const MEMORY: &str = "2000000";

/// Where the header of the manifest is, and the length in it (ustar).
const MANIFEST: usize = 1024;
const LENGTH: usize = 124;

/// `airlock …` in little memory, with the medium of the stage.
fn run(stage: &Stage, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -v "$1"; shift; exec "$@""#, "sh", MEMORY, PROGRAM]).args(arguments);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.current_dir(stage.path("")).stdin(Stdio::null()).output().unwrap()
}

/// What `bundle verify` and `install --plan` say.
fn told(what: &str, stage: &Stage, options: &[&str]) -> String {
    let options = [&["--allowed-signers", "signers", "--progress", "none"], options].concat();
    let verified = run(stage, &[&["bundle", "verify", "medium"], &options[..]].concat());
    let medium = stage.medium();
    let planned = run(stage, &[&["install", medium.to_str().unwrap(), "--plan"], &options[..]].concat());
    let planned = match planned.status.code() {
        // What it plans depends on the machine.
        Some(0 | 7) => "nothing of it is read yet\n".to_owned(),
        _ => stage.told(&planned),
    };
    format!("== {what}\nbundle verify: {}\ninstall --plan: {planned}\n", stage.told(&verified))
}

fn on_a_medium(volumes: &Volumes) -> Stage {
    let stage = Stage::empty();
    volumes.write_to(&stage.medium());
    stage
}

/// Changes the bundle after it was signed.
fn forged(forge: impl FnOnce(&mut Vec<u8>)) -> Stage {
    let mut volumes = contents().signed(None);
    forge(volumes.first());
    on_a_medium(&volumes)
}

/// Changes the text of the manifest before it is signed.
fn resigned(change: impl FnOnce(String) -> String) -> Stage {
    let contents = contents();
    let manifest = change(String::from_utf8(contents.manifest.to_bytes()).unwrap()).into_bytes();
    let signature = sign(&test_key(), MANIFEST_NAMESPACE, &manifest).unwrap().into_bytes();
    let bundle = Digest::of(&manifest);
    let header = VolumeHeader { bundle, volume: 1, volumes: 1, size: None }.to_bytes();
    let mut volumes = contents.signed(None);
    let at = position(volumes.first(), "oci-layout");
    let rest = volumes.first().split_off(at);
    volumes.first().truncate(512);
    volumes.first().extend(header);
    for (name, bytes) in [("manifest.json", manifest), ("manifest.json.sig", signature)] {
        volumes.first().extend(ustar::header(name, bytes.len() as u64));
        volumes.first().extend(&bytes);
        let padded = volumes.first().len().next_multiple_of(512);
        volumes.first().resize(padded, 0);
    }
    volumes.first().extend(rest);
    on_a_medium(&volumes)
}

/// Changes the manifest before it is signed.
fn remade(change: impl FnOnce(&mut Value)) -> Stage {
    resigned(|text| {
        let mut manifest = serde_json::from_str(&text).unwrap();
        change(&mut manifest);
        manifest.to_string() + "\n"
    })
}

/// A frame that wants so much to be unpacked (RFC 8878, 3.1.1.1.2): exponent 21, mantissa 0.
fn zstd() -> Vec<u8> {
    b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00".to_vec()
}

/// Where a member of the tar begins, its header before it.
fn position(bytes: &[u8], name: &str) -> usize {
    (0..bytes.len()).step_by(512).find(|at| bytes[*at..].starts_with(name.as_bytes())).unwrap()
}

fn reframe(bytes: &mut [u8], at: usize, name: &str, length: u64) {
    bytes[at..at + 512].copy_from_slice(&ustar::header(name, length));
}

/// A signature beside the volume.
fn sign_beside(stage: &Stage, key: &KeyFile) {
    let name = names::signature_file("golden-1.0", &key.public_key().short_id());
    let signature = sign(key, MANIFEST_NAMESPACE, &contents().manifest.to_bytes()).unwrap();
    fs_err::write(stage.medium().join(name), signature).unwrap();
}

fn with_length_in_manifest(length: impl Into<Value>) -> Stage {
    remade(|manifest| manifest["blobs"][0]["size"] = length.into())
}

fn of_format(format: &str) -> Stage {
    remade(|manifest| manifest["format"] = format.into())
}

/// A bundle as it should be, which this key has signed as well.
fn signed_by(key: &KeyFile) -> Stage {
    let stage = on_a_medium(&contents().signed(None));
    sign_beside(&stage, key);
    stage
}

fn stranger() -> KeyFile {
    let made = key::generate("second@lab", None).unwrap();
    KeyFile::parse("key", made.private.reveal(), || panic!("not encrypted")).unwrap()
}

#[test]
fn every_bundle_that_was_made_wrong_is_told_as_what_it_is() {
    if !is_root() {
        return;
    }
    let program = contents().blobs[0].len() as u64;
    let mut text = String::new();
    for (what, stage) in [
        (
            "59: a member is there twice",
            forged(|bytes| {
                let at = position(bytes, "oci-layout");
                reframe(bytes, at, "index.json", 30);
            }),
        ),
        (
            "59: the manifest lists a blob twice",
            remade(|manifest| {
                let first = manifest["blobs"][0].clone();
                manifest["blobs"].as_array_mut().unwrap().push(first);
            }),
        ),
        (
            "59: the manifest has a key twice",
            resigned(|text| text.replacen("\"serial\"", "\"serial\": 1, \"serial\"", 1)),
        ),
        (
            "60: a manifest of 8 GiB",
            forged(|bytes| reframe(bytes, MANIFEST, "manifest.json", (1 << 33) - 512)),
        ),
        ("60: a manifest of 2^63 bytes", forged(|bytes| bytes[MANIFEST + LENGTH] = 0x80)),
        ("60: a blob of 2^63 bytes", with_length_in_manifest(1u64 << 63)),
        ("60: a blob of -1 bytes", with_length_in_manifest(-1)),
        ("62, 64: compressed, to be unpacked with 2 GiB of memory", forged(|bytes| *bytes = zstd())),
        (
            "63: a blob has more than the manifest says",
            resigned(|text| {
                text.replace(&format!("\"size\": {program}"), &format!("\"size\": {}", program - 1))
            }),
        ),
        ("75: a format of the future", of_format("airlock.manifest.v2")),
        ("75: a format of somebody else", of_format("carrier.v1")),
        ("75: a feature of the future", remade(|manifest| manifest["requires"] = vec!["parity"].into())),
    ] {
        text += &told(what, &stage, &[]);
    }
    let (own, stranger) = (test_key(), stranger());
    for (what, key, options) in [
        ("68: one key has signed twice", &own, &["--signatures", "2"][..]),
        ("68: a key that nobody trusts has signed as well", &stranger, &["--signatures", "2"]),
        ("69: no signature would do", &own, &["--signatures", "0"]),
        ("69: less than none", &own, &["--signatures=-1"]),
    ] {
        text += &told(what, &signed_by(key), options);
    }
    let text = text.replace(&stranger.public_key().fingerprint(), "SHA256:STRANGER");
    insta::assert_snapshot!("bundles-that-were-made-wrong", text);
}

/// Installs while somebody does this to the volume, in a root of its own: the program waits for its policy, when it has
/// checked the signature and not yet read a blob. What it says, its status, and the first file that it makes of one.
fn changed_meanwhile(change: &str) -> Option<String> {
    let contents = contents();
    let stage = Stage::new(&contents, Some(&contents.sign()));
    stage.write_policy(&[]);
    let mut other = contents.signed(None);
    let program =
        position(other.first(), &format!("blobs/sha256/{}", contents.manifest.blobs[0].digest.hex()));
    other.first()[program + 512] ^= 1;
    fs_err::write(stage.path("other"), other.first()).unwrap();
    let script = format!(
        "mkfifo wait; volume=medium/golden-1.0.tar; \
         airlock install $PWD/medium --yes --allowed-signers signers --policy wait --fix=false --progress none & \
         exec 3> wait; {change}; cp policy.yaml again; mv again wait; cat policy.yaml >&3; exec 3>&-; \
         wait $!; echo status $?; ls /usr/local/bin/airlock || echo none"
    );
    let output = stage.private(&script)?;
    Some(stage.told(&output) + &String::from_utf8_lossy(&output.stdout))
}

/// Of what is changed in place nothing is used. Who is renamed over, or removed, is read to the end as it was.
#[test]
fn a_volume_that_changes_while_it_is_read_is_told() {
    for (change, words) in [
        (
            "truncate -s 4096 $volume",
            ["error[E0414]: golden-1.0.tar was changed or replaced while it was read", "\nstatus 4\nnone\n"],
        ),
        ("cat other > $volume", [" is damaged: its bytes have the digest sha256:", "\nstatus 4\nnone\n"]),
        ("mv other $volume", ["the airlock program\n", "\nstatus 0\n/usr/local/bin/airlock\n"]),
        ("rm $volume", ["the airlock program\n", "\nstatus 0\n/usr/local/bin/airlock\n"]),
    ] {
        let Some(told) = changed_meanwhile(change) else { return };
        assert!(words.iter().all(|words| told.contains(words)), "{change}: {told}");
    }
}
