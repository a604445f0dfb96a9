//! Small packages with everything that matters here: relations, and scripts that can be made to wait.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use airlock::bundle::manifest::Artifact;
use airlock::bundle::manifest::apt::{Apt, Install, Purpose};
use airlock::node::packages::Packages;

use crate::bundles::{Contents, manifest};
use crate::packages::repository_of;

/// A package: name, version, more fields of its control file.
pub type Probe<'a> = (&'a str, &'a str, &'a str);

/// The packages that most tests install: one by name, and two that it needs.
pub const PROBES: [Probe<'static>; 3] = [
    ("airlock-probe", "1:2.0-1", "Depends: airlock-probe-library (= 1:2.0-1)\n"),
    ("airlock-probe-data", "1.0", ""),
    ("airlock-probe-library", "1:2.0-1", "Depends: airlock-probe-data\n"),
];

/// Waits in a script of a package as long as there is a file `/wait-PACKAGE-SCRIPT`, after it has said so.
const SCRIPT: &str =
    "#!/bin/sh\nset -e\nname=NAME\n[ ! -e /wait-$name ] || { touch /waits-$name; sleep 1000; }\n";

/// The `.deb` of a probe and its control file.
fn deb((name, version, fields): &Probe<'_>) -> (String, Vec<u8>) {
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}\
         Maintainer: Nobody <nobody@example.com>\nDescription: stands in for a package\n"
    );
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    let place = tree.join("usr/share/airlock-probes");
    fs_err::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs_err::create_dir_all(&place).unwrap();
    fs_err::write(place.join(name), format!("{version}\n")).unwrap();
    fs_err::write(tree.join("DEBIAN/control"), &control).unwrap();
    for script in ["preinst", "postinst"] {
        write_script(&tree.join("DEBIAN").join(script), &SCRIPT.replace("NAME", &format!("{name}-{script}")));
    }
    let target = directory.path().join("probe.deb");
    let mut build = Command::new("dpkg-deb");
    let built = build.args(["--root-owner-group", "--build"]).arg(&tree).arg(&target).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    (control, fs_err::read(target).unwrap())
}

fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Puts a probe into a directory, for `dpkg --install`.
pub fn write(probe: &Probe<'_>, path: &Path) {
    fs_err::write(path, deb(probe).1).unwrap();
}

/// A bundle with these packages, of which those of `install` are installed by name.
pub fn bundle(probes: &[Probe<'_>], install: &[&str]) -> Arc<Packages> {
    let debs: Vec<_> = probes.iter().map(deb).collect();
    let (mut apt, blobs) = repository_of("debian", &debs);
    let version = |name: &str| probes.iter().find(|probe| probe.0 == name).unwrap().1.to_owned();
    let by_name = install.iter().map(|name| Install {
        purpose: Purpose::Node,
        package: (*name).to_owned(),
        version: version(name),
    });
    apt.install = by_name.collect();
    offered(apt, blobs)
}

fn offered(apt: Apt, blobs: Vec<Vec<u8>>) -> Arc<Packages> {
    let contents = Contents { manifest: manifest(vec![Artifact::Apt(apt.clone())], &blobs), blobs };
    let bundle = contents.signed(None).verify().unwrap();
    Arc::new(Packages { apt, origin: Arc::new(bundle), store: None })
}
