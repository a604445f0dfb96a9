//! What apt may not do, it does not do, and the message says why.

use airlock::error::Error;

use crate::node::{install, machine, owned_packages};
use crate::probes::{PROBES, Probe, bundle, write};
use crate::roots::Root;

/// What a bundle with `probes` is refused for where `there` is installed.
fn refusal(there: &Probe<'_>, prepare: &[&str], probes: &[Probe<'_>]) -> Option<(Root, Error)> {
    let root = Root::new("bookworm")?;
    write(there, &root.path().join("there.deb"));
    root.must(&["dpkg", "--install", "/there.deb"]);
    if !prepare.is_empty() {
        root.must(prepare);
    }
    let before = root.must(&["dpkg-query", "--show"]);
    let machine = machine(&root);
    let (done, _) = install(&bundle(probes, &["airlock-probe"]), &machine);
    assert_eq!(root.must(&["dpkg-query", "--show"]), before, "nothing has changed");
    assert!(owned_packages(&machine).is_empty());
    Some((root, done.unwrap_err()))
}

#[test]
#[ignore = "makes a root from a mirror"]
fn nothing_is_removed() {
    let conflicting = [("airlock-probe", "1:2.0-1", "Conflicts: airlock-there\n")];
    let Some((_root, error)) = refusal(&("airlock-there", "1", ""), &[], &conflicting) else { return };
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E1075", 7));
    assert_eq!(error.message(), "apt would have to remove packages of this machine: airlock-there");
    assert!(error.help().unwrap().contains("`apt-get remove airlock-there`"));
}

#[test]
#[ignore = "makes a root from a mirror"]
fn nothing_becomes_older() {
    let Some((_root, error)) = refusal(
        &("airlock-probe-data", "9.0", ""),
        &[],
        &[
            ("airlock-probe", "1:2.0-1", "Depends: airlock-probe-data (= 1.0)\n"),
            ("airlock-probe-data", "1.0", ""),
        ],
    ) else {
        return;
    };
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E1075", 7));
    let reason = " airlock-probe : Depends: airlock-probe-data (= 1.0) but 9.0 is to be installed".to_owned();
    assert!(error.details().contains(&reason), "{error:#?}");
    assert!(error.help().unwrap().contains("`baseline: {status: FILE}`"));
}

#[test]
#[ignore = "makes a root from a mirror"]
fn what_is_held_stays() {
    let hold = ["apt-mark", "hold", "airlock-probe-data"];
    let newer = [
        ("airlock-probe", "1:2.0-1", "Depends: airlock-probe-data (>= 1.0)\n"),
        ("airlock-probe-data", "1.0", ""),
    ];
    let Some((_root, error)) = refusal(&("airlock-probe-data", "0.9", ""), &hold, &newer) else { return };
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E1074", 7));
    assert!(error.help().unwrap().contains("`apt-mark unhold airlock-probe-data`"), "{error:#?}");
    let hold = ["apt-mark", "hold", "airlock-probe"];
    let Some((_root, error)) = refusal(&("airlock-probe", "1:1.0", ""), &hold, &PROBES) else { return };
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E1074", 7));
    assert_eq!(
        error.message(),
        "packages of this machine are held at a version that is too old: airlock-probe"
    );
    assert!(error.help().unwrap().contains("`apt-mark unhold airlock-probe`"));
}
