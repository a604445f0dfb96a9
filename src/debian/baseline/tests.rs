//! Tests of baselines, on small indices.

use super::*;
use crate::debian::package::parse_index;
use crate::debian::solver::Profile;
use crate::debian::universe::Provenance;

/// A stanza of an index; `fields` are further lines.
fn stanza(name: &str, version: &str, fields: &str) -> String {
    let digest = "0".repeat(64);
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\n{fields}Filename: {name}.deb\nSize: 1\nSHA256: {digest}\n\n"
    )
}

fn options() -> Options {
    Options {
        profile: Profile::Classic,
        recommends: true,
        preferences: Default::default(),
        holds: BTreeSet::new(),
    }
}

#[test]
fn the_least_is_what_is_essential_or_required_with_apt_and_their_needs() {
    let index = stanza("base", "1", "Essential: yes\nDepends: libbase | other\nRecommends: extra\n")
        + &stanza("libbase", "1", "")
        + &stanza("other", "1", "")
        + &stanza("extra", "1", "")
        + &stanza("tar", "1", "Priority: required\n")
        + &stanza("apt", "1", "Priority: important\n")
        + &stanza("editor", "1", "Priority: important\n");
    let mut universe = Universe::new("amd64");
    universe.add_index(Provenance::default(), parse_index(index.as_bytes()).unwrap().usable).unwrap();
    let names: Vec<&str> =
        essential(&universe, &options()).unwrap().iter().map(|package| package.name).collect();
    assert_eq!(names, ["apt", "base", "libbase", "tar"]);
}

/// Regression: perl was assumed on every Debian 12, since apt prefers `usrmerge`, which debootstrap never installs.
#[test]
fn what_merges_usr_on_a_running_system_is_not_assumed() {
    let index = stanza("init", "1", "Essential: yes\nDepends: usrmerge | usr-is-merged\n")
        + &stanza("usrmerge", "1", "Provides: usr-is-merged\nDepends: perl\n")
        + &stanza("usr-is-merged", "1", "")
        + &stanza("perl", "1", "");
    let names = |index: &str| {
        let mut universe = Universe::new("amd64");
        universe.add_index(Provenance::default(), parse_index(index.as_bytes()).unwrap().usable).unwrap();
        let packages = essential(&universe, &options()).unwrap();
        packages.iter().map(|package| package.name.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&index), ["init", "usr-is-merged"]);
    let newer = index.replace("Depends: usrmerge | usr-is-merged\n", "");
    assert_eq!(names(&newer), ["init"], "a release that needs neither gets neither");
}

#[test]
fn a_half_installed_node_is_no_baseline_and_holds_are_kept() {
    let status = |name: &str, status: &str| {
        format!("Package: {name}\nStatus: {status}\nVersion: 1\nArchitecture: amd64\n\n")
    };
    let good = status("a", "install ok installed") + &status("b", "hold ok installed");
    let node = of_node(good.as_bytes()).unwrap();
    assert_eq!(node.packages.len(), 2);
    assert_eq!(node.holds.iter().collect::<Vec<_>>(), ["b"]);
    for state in ["install ok half-configured", "install ok unpacked", "install reinstreq installed"] {
        let bad = good.clone() + &status("broken", state);
        let error = of_node(bad.as_bytes()).unwrap_err();
        assert_eq!(error.code(), codes::BROKEN_BASELINE);
        assert!(error.message().contains("broken"), "{error}");
    }
}

#[test]
fn assumed_packages_of_a_source_that_moves_are_carried_too() {
    let index = stanza("tool", "2", "Source: suite\n")
        + &stanza("libsuite", "2", "Source: suite\n")
        + &stanza("unrelated", "2", "");
    let status = "Package: libsuite\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\nSource: suite\n\n\
        Package: unrelated\nStatus: install ok installed\nVersion: 2\nArchitecture: amd64\n\n";
    let mut universe = Universe::new("amd64");
    universe.add_index(Provenance::default(), parse_index(index.as_bytes()).unwrap().usable).unwrap();
    universe.add_baseline(of_node(status.as_bytes()).unwrap().packages).unwrap();
    let solution = solve(&universe, &[Request::parse("tool").unwrap()], &options()).unwrap();
    assert_eq!(solution.choices.len(), 1);
    let additions = safety_additions(&universe, &solution, &options());
    let names: Vec<&str> = additions.iter().map(|version| universe.stanza(*version).name).collect();
    assert_eq!(names, ["libsuite"]);
}
