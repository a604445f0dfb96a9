//! Packages that are not there are installed, once, and can be removed again.

use airlock::node::journal::Journal;
use airlock::node::packages::{Needed, Removal};

use crate::node::{install, machine, must_install, owned_packages, plan};
use crate::probes::{PROBES, Probe, bundle, write};
use crate::roots::Root;

const OURS: [&str; 3] = ["airlock-probe-data:amd64", "airlock-probe-library:amd64", "airlock-probe:amd64"];

/// What the host's own apt has, but for the marks of packages that were installed for others (apt-mark(8)), and
/// the caches that debconf's hook fills, as any call of an apt on the host does.
const FILES_OF_APT: &str = "find /etc/apt /var/lib/apt /var/cache/apt -type f ! -name extended_states \
     ! -name '*pkgcache.bin' -printf '%p %s %t\\n' | sort";

#[test]
#[ignore = "makes a root from a mirror"]
fn packages_are_installed_once_and_removed_again() {
    for release in ["bookworm", "trixie"] {
        let Some(root) = Root::new(release) else { return };
        let machine = machine(&root);
        let packages = bundle(&PROBES, &["airlock-probe"]);
        let before = root.must(&["dpkg-query", "--show"]);
        let files = root.must(&["sh", "-c", FILES_OF_APT]);
        let planned = [
            "create /var/lib/airlock/apt/debian/repository (7 of 7 files)",
            "install airlock-probe (1:2.0-1)",
        ];
        assert_eq!(plan(&packages, &machine), planned);
        let told = must_install(&packages, &machine);
        assert_eq!(told, ["apt installs 3 packages and upgrades 0"]);
        assert_eq!(root.status("airlock-probe"), "install ok installed 1:2.0-1");
        assert!(plan(&packages, &machine).is_empty(), "{release}: a second run has nothing to do");
        assert_eq!(owned_packages(&machine), OURS);
        assert_eq!(root.must(&["sh", "-c", FILES_OF_APT]), files);

        // The repository is not needed any more; what is installed is seen in dpkg.
        fs_err::remove_dir_all(root.path().join("var/lib/airlock/apt")).unwrap();
        assert!(plan(&packages, &machine).is_empty());
        fs_err::create_dir_all(root.path().join("var/lib/airlock/apt")).unwrap();
        let journal = Journal::open(&machine).unwrap();
        let removal = Removal::of(&machine, journal.owned()).unwrap();
        machine.run_well(&removal.call().unwrap()).unwrap();
        assert_eq!(root.must(&["dpkg-query", "--show"]), before, "{release}: as before");
        assert_eq!(Removal::of(&machine, journal.owned()).unwrap().call(), None);
    }
}

#[test]
#[ignore = "makes a root from a mirror"]
fn what_is_newer_stays_and_what_is_older_is_upgraded_and_not_ours() {
    let Some(root) = Root::new("bookworm") else { return };
    let machine = machine(&root);
    let newer: Probe<'_> = ("airlock-probe", "1:3.0-1", "");
    let older: Probe<'_> = ("airlock-probe-data", "0.9", "");
    for (probe, path) in [(newer, "newer.deb"), (older, "older.deb")] {
        write(&probe, &root.path().join(path));
        root.must(&["dpkg", "--install", &format!("/{path}")]);
    }
    let packages = bundle(&PROBES, &["airlock-probe", "airlock-probe-data"]);
    let planned = plan(&packages, &machine);
    assert_eq!(planned[1..], ["install airlock-probe-data (0.9 to 1.0)"]);
    must_install(&packages, &machine);
    assert_eq!(root.status("airlock-probe"), "install ok installed 1:3.0-1");
    assert_eq!(root.status("airlock-probe-data"), "install ok installed 1.0");
    assert!(owned_packages(&machine).is_empty(), "both were there before");
    let journal = Journal::open(&machine).unwrap();
    assert_eq!(Removal::of(&machine, journal.owned()).unwrap().call(), None);
}

/// A bundle that is older than the last one is taken as well, and a damaged copy of a package is replaced.
#[test]
#[ignore = "makes a root from a mirror"]
fn the_repository_is_that_of_the_bundle_whatever_was_there() {
    let Some(root) = Root::new("bookworm") else { return };
    let machine = machine(&root);
    must_install(&bundle(&[("airlock-other", "1", "")], &["airlock-other"]), &machine);
    let pool = root.path().join("var/lib/airlock/apt/debian/repository/pool");
    fs_err::write(pool.join("airlock-probe_1%3a2.0-1_amd64.deb"), "damaged").unwrap();
    must_install(&bundle(&PROBES, &["airlock-probe"]), &machine);
    assert!(!pool.join("airlock-other_1_amd64.deb").exists());
    assert_eq!(fs_err::read_dir(pool).unwrap().count(), 3);
    assert_eq!(root.status("airlock-other"), "install ok installed 1", "it was installed, and stays");
}

#[test]
#[ignore = "makes a root from a mirror"]
fn packages_of_others_are_never_removed_with_ours() {
    let Some(root) = Root::new("bookworm") else { return };
    let machine = machine(&root);
    must_install(&bundle(&PROBES, &["airlock-probe"]), &machine);
    write(&("airlock-later", "1", "Depends: airlock-probe-data\n"), &root.path().join("later.deb"));
    root.must(&["dpkg", "--install", "/later.deb"]);
    let journal = Journal::open(&machine).unwrap();
    let removal = Removal::of(&machine, journal.owned()).unwrap();
    assert_eq!(removal.gone, ["airlock-probe-library:amd64", "airlock-probe:amd64"]);
    let needed = Needed { name: OURS[0].to_owned(), by: "airlock-later".to_owned() };
    assert_eq!(removal.needed, [needed]);
    assert_eq!(root.status("airlock-probe"), "install ok installed 1:2.0-1", "nothing was removed yet");
    machine.run_well(&removal.call().unwrap()).unwrap();
    assert_eq!(root.status("airlock-probe-data"), "install ok installed 1.0");
    assert_eq!(root.status("airlock-later"), "install ok installed 1");
    let (done, _) = install(&bundle(&PROBES, &["airlock-probe"]), &machine);
    assert_eq!(done.unwrap().changed, ["packages"]);
}
