//! Real packages from the mirror of this machine, in a bundle made by `airlock bundle build`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use airlock::bundle::Bundle;
use airlock::bundle::manifest::Artifact;
use airlock::node::packages::Packages;
use airlock::trust::allowed_signers::AllowedSigners;
use airlock::trust::policy::Policy;

use crate::interrupted::PowerCut;
use crate::node::{install, machine, machine_with, must_install, plan};
use crate::roots::{Inside, Root};

/// Builds a bundle for a host in a directory and opens it; `None`, loudly, without a mirror.
fn build(directory: &Path, host: &str, names: &str) -> Option<Arc<Packages>> {
    let spec = format!(
        "apiVersion: airlock/v1\nkind: Bundle\nname: lab\nversion: \"1\"\nplatforms: [linux/amd64]\nhosts: [{host}]\n\
         apt:\n  packages: [{names}]\n  targets:\n    - host: {host}\n      baseline: essential\n"
    );
    fs_err::write(directory.join("bundle.yaml"), spec).unwrap();
    let airlock = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airlock"));
        command.args(arguments).current_dir(directory).env("HOME", directory).stdin(Stdio::null());
        command.env_remove("XDG_CACHE_HOME").env_remove("XDG_CONFIG_HOME").env_remove("HTTPS_PROXY");
        command.output().unwrap()
    };
    assert!(airlock(&["key", "generate", "--no-passphrase", "--comment", "lab"]).status.success());
    let built = airlock(&["bundle", "build", "--no-check", "--progress", "none", "-o", "out"]);
    if !built.status.success() {
        eprintln!("SKIPPED: no bundle for {host}: {}", String::from_utf8_lossy(&built.stderr));
        return None;
    }
    let signers = fs_err::read_to_string(directory.join(".config/airlock/allowed_signers")).unwrap();
    let policy = Policy::new(AllowedSigners::parse("allowed_signers", &signers).unwrap());
    let bundle = Bundle::open(&directory.join("out")).unwrap().verify(&policy).unwrap();
    let apt = bundle.manifest().artifacts.iter().find_map(|artifact| match artifact {
        Artifact::Apt(apt) => Some(apt.clone()),
        _ => None,
    });
    Some(Arc::new(Packages { apt: apt.unwrap(), origin: Arc::new(bundle), store: None }))
}

/// A power cut after dpkg has done so many things.
fn power_cut(root: &Root, lines: usize) -> PowerCut {
    let log = root.path().join("var/log/dpkg.log");
    let count = move || fs_err::read_to_string(&log).map_or(0, |text| text.lines().count());
    let before = count();
    PowerCut { inside: Inside(root.path()), when: Box::new(move || count() >= before + lines) }
}

#[test]
#[ignore = "builds bundles and roots from a mirror"]
fn real_packages_are_installed_whatever_happens_in_between() {
    for (host, release) in [("debian-12", "bookworm"), ("debian-13", "trixie")] {
        let directory = tempfile::tempdir().unwrap();
        let Some(packages) = build(directory.path(), host, "nfs-common, keepalived, haproxy") else { return };
        let Some(root) = Root::new(release) else { return };
        for lines in [12, 90, 40] {
            let cut = machine_with(&root.path(), Arc::new(power_cut(&root, lines)));
            let (killed, _) = install(&packages, &cut);
            killed.unwrap_err();
        }
        let machine = machine(&root);
        let told = must_install(&packages, &machine);
        eprintln!("{host}: {}", told.join("; "));
        for name in ["nfs-common", "keepalived", "haproxy"] {
            assert!(root.status(name).starts_with("install ok installed "), "{host}: {name}");
        }
        assert_eq!(root.must(&["dpkg", "--audit"]), "");
        assert!(plan(&packages, &machine).is_empty(), "{host}: a second run has nothing to do");
    }
}
