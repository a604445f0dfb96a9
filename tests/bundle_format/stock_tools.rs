//! What an administrator has on every machine reads a bundle too: `tar`, `sha256sum`, `ssh-keygen`, `ssh-agent`.

use std::path::Path;
use std::process::{Command, Stdio};

use airlock::bundle::layout;
use airlock::oci::digest::Digest;
use airlock::trust::agent::Agent;
use airlock::trust::key;
use airlock::trust::key_file::KeyFile;
use airlock::trust::signature::{MANIFEST_NAMESPACE, Signer as _, check, sign};

use crate::support::*;

/// Whether the tool is there. Its absence is said aloud, as the test then proves nothing.
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
pub fn has(tool: &str) -> bool {
    let found =
        Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("SKIPPED: {tool} is not installed");
    }
    found
}

#[track_caller]
pub fn run(directory: &Path, command: &str) -> String {
    let output = Command::new("sh").arg("-ec").arg(command).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tar_and_sha256sum_unpack_and_confirm_a_bundle_in_volumes() {
    if !has("tar") || !has("sha256sum") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let contents = Contents::large();
    contents.signed(Some(VOLUME_SIZE)).write_to(directory.path());
    let listing = run(directory.path(), "tar -tvf golden-1.0.1-of-2.tar");
    assert!(listing.lines().all(|line| line.starts_with("-rw-r--r-- 0/0")), "{listing}");
    run(directory.path(), "for volume in golden-1.0*.tar; do tar -xf $volume; done");
    run(
        directory.path(),
        "cd blobs/sha256; for first in *.00001; do cat ${first%.*}.* > ${first%.*}; rm ${first%.*}.*; done",
    );
    run(
        directory.path(),
        r#"cd blobs/sha256; for blob in *; do echo "$blob  $blob"; done | sha256sum --check --strict --quiet"#,
    );
    let blobs = run(directory.path(), "ls blobs/sha256");
    assert_eq!(blobs.lines().count(), contents.manifest.blobs.len());
    assert_eq!(fs_err::read(directory.path().join("manifest.json")).unwrap(), contents.manifest.to_bytes());
    let (marker, index) = layout::layout_files(&contents.manifest.artifacts);
    assert_eq!(fs_err::read(directory.path().join("oci-layout")).unwrap(), marker);
    assert_eq!(fs_err::read(directory.path().join("index.json")).unwrap(), index);
}

#[test]
fn ssh_keygen_accepts_our_signatures_and_we_accept_its() {
    if !has("ssh-keygen") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let contents = Contents::with_files(&[b"one\n"]);
    fs_err::write(directory.path().join("manifest.json"), contents.manifest.to_bytes()).unwrap();
    fs_err::write(directory.path().join("manifest.json.sig"), contents.sign()).unwrap();
    let line = test_key().public_key().allowed_line("test");
    fs_err::write(directory.path().join("allowed"), format!("{line}\n")).unwrap();
    let verify =
        "ssh-keygen -Y verify -f allowed -I test -n airlock.manifest.v1 -s manifest.json.sig < manifest.json";
    assert!(run(directory.path(), verify).starts_with("Good \"airlock.manifest.v1\" signature for test"));
    run(directory.path(), "ssh-keygen -q -t ed25519 -N 'a phrase' -C theirs -f theirs");
    let text = fs_err::read_to_string(directory.path().join("theirs")).unwrap();
    let theirs =
        KeyFile::parse("theirs", &text, || Ok(airlock::secret::Secret::new("a phrase".to_owned()))).unwrap();
    run(directory.path(), "ssh-keygen -p -q -P 'a phrase' -N '' -f theirs");
    run(
        directory.path(),
        "rm manifest.json.sig; ssh-keygen -q -Y sign -f theirs -n airlock.manifest.v1 manifest.json",
    );
    let signature = fs_err::read(directory.path().join("manifest.json.sig")).unwrap();
    let bundle = contents.volumes(Some(&signature), None).open().unwrap();
    assert_eq!(bundle.verify(&policy_for(theirs.public_key())).unwrap().signers().len(), 1);
}

#[test]
fn ssh_keygen_reads_the_keys_we_make() {
    if !has("ssh-keygen") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let passphrase = airlock::secret::Secret::new("a phrase".to_owned());
    let made = key::generate("release@lab", Some(&passphrase)).unwrap();
    let path = directory.path().join("key");
    fs_err::write(&path, made.private.reveal()).unwrap();
    run(directory.path(), "chmod 600 key");
    let public = run(directory.path(), "ssh-keygen -y -P 'a phrase' -f key");
    assert_eq!(
        public.split(' ').take(2).collect::<Vec<_>>(),
        made.public.to_line().split(' ').take(2).collect::<Vec<_>>()
    );
    fs_err::write(directory.path().join("key.pub"), made.public.to_line()).unwrap();
    assert!(run(directory.path(), "ssh-keygen -l -f key.pub").contains(&made.public.fingerprint()));
}

#[test]
fn a_real_ssh_agent_signs() {
    if !has("ssh-agent") || !has("ssh-add") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let made = key::generate("agent@lab", None).unwrap();
    fs_err::write(directory.path().join("key"), made.private.reveal()).unwrap();
    let socket = directory.path().join("agent");
    let mut agent =
        Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    // `ssh-add` itself tells when the agent has begun to listen.
    let add = "chmod 600 key; until SSH_AUTH_SOCK=agent ssh-add -q key 2>/dev/null; do kill -0 $PPID; done";
    run(directory.path(), add);
    let signed = Agent::connect(&socket, made.public.clone())
        .and_then(|agent| sign(&agent, MANIFEST_NAMESPACE, b"message"))
        .and_then(|armored| check("signature", armored.as_bytes(), MANIFEST_NAMESPACE, b"message"));
    let stranger = Agent::connect(&socket, key::generate("other", None).unwrap().public);
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(signed.unwrap().is_same(&made.public));
    expect_error(stranger.map(|_| Digest::of(b"")), 7, "does not hold the key");
}
