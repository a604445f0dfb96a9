//! Files of packages that were changed or removed are found, and unpacked again from the bundle.

use airlock::node::driver::execute;
use airlock::node::journal::Journal;
use airlock::node::packages::Reinstall;
use airlock::node::step::Step;
use airlock::progress::Silent;

use crate::node::{machine, must_install, owned_packages, plan};
use crate::probes::{PROBES, Probe, bundle, write};
use crate::roots::Root;

#[test]
#[ignore = "makes a root from a mirror"]
fn damaged_packages_are_named_and_unpacked_again() {
    for release in ["bookworm", "trixie"] {
        let Some(root) = Root::new(release) else { return };
        let machine = machine(&root);
        let packages = bundle(&PROBES, &["airlock-probe"]);
        must_install(&packages, &machine);
        let installed = packages.installed(&machine).unwrap();
        assert_eq!(installed.len(), 3);
        assert_eq!(packages.modified(&machine, &installed).unwrap(), []);
        let file = |name: &str| root.path().join("usr/share/airlock-probes").join(name);
        fs_err::write(file("airlock-probe"), "changed\n").unwrap();
        fs_err::remove_file(file("airlock-probe-data")).unwrap();
        let modified = packages.modified(&machine, &installed).unwrap();
        let found: Vec<_> = modified
            .iter()
            .map(|package| (package.name.as_str(), &package.changed[..], &package.missing[..]))
            .collect();
        let path = |name: &str| format!("/usr/share/airlock-probes/{name}");
        let (changed, missing) = ([path("airlock-probe")], [path("airlock-probe-data")]);
        assert_eq!(
            found,
            [
                ("airlock-probe-data:amd64", &[][..], &missing[..]),
                ("airlock-probe:amd64", &changed[..], &[][..])
            ]
        );
        let owned = owned_packages(&machine);
        let steps: [Box<dyn Step>; 1] = [Box::new(Reinstall::of(&packages, &modified).unwrap())];
        let mut journal = Journal::open(&machine).unwrap();
        let done = execute(&steps, &machine, &mut journal, &Silent).unwrap();
        assert_eq!(done.changed, ["packages-reinstall"], "{release}");
        assert_eq!(packages.modified(&machine, &installed).unwrap(), []);
        assert_eq!(fs_err::read_to_string(file("airlock-probe")).unwrap(), "1:2.0-1\n");
        assert!(execute(&steps, &machine, &mut journal, &Silent).unwrap().changed.is_empty());
        drop(journal);
        assert_eq!(owned_packages(&machine), owned);
        assert!(plan(&packages, &machine).is_empty());
    }
}

#[test]
#[ignore = "makes a root from a mirror"]
fn what_the_bundle_does_not_have_in_that_version_is_left_to_the_administrator() {
    let Some(root) = Root::new("bookworm") else { return };
    let machine = machine(&root);
    let newer: Probe<'_> = ("airlock-probe-data", "3.0", "");
    write(&newer, &root.path().join("newer.deb"));
    root.must(&["dpkg", "--install", "/newer.deb"]);
    let packages = bundle(&PROBES, &["airlock-probe-data"]);
    fs_err::write(root.path().join("usr/share/airlock-probes/airlock-probe-data"), "changed\n").unwrap();
    let modified = packages.modified(&machine, &packages.installed(&machine).unwrap()).unwrap();
    assert_eq!((modified.len(), modified[0].is_in_bundle), (1, false));
    assert!(Reinstall::of(&packages, &modified).is_none());
}
