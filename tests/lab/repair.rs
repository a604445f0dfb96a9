//! An installed node is damaged in many ways; `airlock node verify` names them, `airlock node repair` mends them.

use std::path::Path;
use std::process::Command;

use airlock::bundle::manifest::{Artifact, Installer};
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;
use airlock::trust::signature::Signer as _;
use serde_json::Value;

use crate::bundles::{Contents, blob, manifest, test_key};
use crate::lab::node::Node;
use crate::lab::release::Release;
use crate::lab::{Lab, is_possible};
use crate::standin;

pub const BLOBS: &str = "/var/lib/airlock/store/blobs/sha256";

/// What a debugger needs is left out: it is most of the bytes.
fn stripped(program: &Path) -> Vec<u8> {
    let target = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new("strip").arg("-o").arg(target.path()).arg(program).status().unwrap();
    assert!(status.success());
    fs_err::read(target.path()).unwrap()
}

/// Puts a medium with this program, the stand-in for k3s and a plain file into the node. The digest of the file.
pub fn insert_medium(node: &Node, place: &str, file: &[u8]) -> Digest {
    let program = stripped(Path::new(env!("CARGO_BIN_EXE_airlock")));
    let mut contents = Contents::with_files(&[file]);
    let mut artifacts = vec![Artifact::Installer(Installer {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: Platform::LinuxAmd64,
        blob: blob(&program),
    })];
    contents.blobs[0] = stripped(&standin::program());
    artifacts.append(&mut contents.manifest.artifacts);
    let k3s = blob(&contents.blobs[0]);
    for artifact in &mut artifacts {
        if let Artifact::K3s(found) = artifact {
            found.blob = k3s;
        }
    }
    contents.blobs.insert(0, program);
    contents.manifest = manifest(artifacts, &contents.blobs);
    let medium = tempfile::tempdir().unwrap();
    contents.signed(None).write_to(medium.path());
    node.shell(&format!("mkdir -p {place}")).unwrap();
    for entry in fs_err::read_dir(medium.path()).unwrap().map(Result::unwrap) {
        node.copy_in(&entry.path(), &format!("{place}/{}", entry.file_name().to_string_lossy())).unwrap();
    }
    let program = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(program.path(), &contents.blobs[0]).unwrap();
    node.copy_in(program.path(), &format!("{place}/install")).unwrap();
    node.shell(&format!("chmod 755 {place}/install")).unwrap();
    Digest::of(file)
}

/// `airlock node COMMAND --json`: its exit status, and what it has printed.
pub fn airlock(node: &Node, words: &[&str]) -> (Option<i32>, Value, String) {
    let output = node.run(&[&["airlock", "--json", "--progress", "none", "node"], words].concat()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), printed, said)
}

pub fn findings(report: &Value) -> String {
    let parts = report["parts"].as_array().cloned().unwrap_or_default();
    let all = parts.iter().flat_map(|part| part["findings"].as_array().cloned().unwrap_or_default());
    all.map(|finding| format!("{}: {}\n", finding["what"], finding["differs"])).collect()
}

#[test]
#[ignore = "boots a node; started by scripts/test"]
fn a_damaged_node_is_found_out_and_mended() {
    if !is_possible() {
        return;
    }
    let lab = Lab::new("repair").unwrap();
    let node = lab.node("server1", Release::Bookworm).unwrap();
    let file = insert_medium(&node, "/media/stick", b"a plain file\n");
    insert_medium(&node, "/media/other", b"another file\n");
    let fingerprint = test_key().public_key().fingerprint();
    let address = node.address().to_string();
    let install = ["/media/stick/install", "--yes", "--trust", &fingerprint, "--address", &address];
    node.succeed(&[&install[..], &["--disable", "coredns", "--disable", "local-storage"]].concat()).unwrap();
    let (status, report, said) = airlock(&node, &["verify"]);
    assert_eq!((status, findings(&report)), (Some(0), String::new()), "{said}");

    let lost = format!("{BLOBS}/{}", file.hex());
    node.shell(&format!(
        "printf x >> {BLOBS}/$(sha256sum /usr/local/bin/airlock | cut -c1-64)
         rm {lost} /usr/local/bin/kubectl /etc/airlock/allowed_signers
         echo >> /etc/systemd/system/k3s.service
         truncate -s 100 /var/lib/airlock/store/bundles/*/manifest.json
         systemctl stop airlock-registry.service airlock-registry.socket"
    ))
    .unwrap();
    let (status, report, _) = airlock(&node, &["verify"]);
    let found = findings(&report);
    assert_eq!(status, Some(4), "{found}");
    let unit = "/etc/airlock/allowed_signers";
    for part in
        [unit, "/usr/local/bin/kubectl", "k3s.service", "registry", "the record of a bundle", &file.hex()]
    {
        assert!(found.contains(part), "{part} is not in {found}");
    }
    let (status, outcome, said) = airlock(&node, &["repair", "--yes"]);
    assert_eq!((status, findings(&outcome["after"])), (Some(0), String::new()), "{said}");
    assert_eq!(airlock(&node, &["verify"]).0, Some(0));
    assert!(airlock(&node, &["repair"]).1["changed"].as_array().unwrap().is_empty());

    // Without the medium, what is damaged in the store is left, and it is said what to bring.
    node.shell(&format!("mv /media/stick /root/stick; rm {lost}")).unwrap();
    let (status, _, said) = airlock(&node, &["repair", "--yes"]);
    assert_eq!(status, Some(9), "{said}");
    assert!(said.contains(&file.hex()) && said.contains("--from MEDIUM"), "{said}");
    let (status, _, said) = airlock(&node, &["repair", "--yes", "--from", "/media/other"]);
    assert_eq!(status, Some(7), "{said}");
    assert!(said.contains("E1079") && said.contains("is not the one of this node"), "{said}");
    let (status, _, said) = airlock(&node, &["repair", "--yes", "--from", "/root/stick"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, report, said) = airlock(&node, &["verify"]);
    assert_eq!((status, findings(&report)), (Some(0), String::new()), "{said}");
}
