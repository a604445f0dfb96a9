//! Tests of candidates, pins, and of what relations mean.

use std::collections::BTreeSet;

use super::pins::{Pin, PinTarget, Preferences};
use super::*;
use crate::debian::package::{parse_index, parse_status};
use crate::debian::relation::parse;
use crate::debian::solver::{Options, Profile, Request, solve};

fn stanza(name: &str, version: &str, fields: &str) -> String {
    let architecture = if fields.contains("Architecture: ") { "" } else { "Architecture: amd64\n" };
    let digest = "0".repeat(64);
    format!(
        "Package: {name}\nVersion: {version}\nStatus: install ok installed\n{architecture}{fields}Filename: f\nSize: 1\nSHA256: {digest}\n\n"
    )
}

fn suite(name: &str) -> Provenance {
    Provenance { suite: name.to_string(), site: format!("{name}.example"), ..Provenance::default() }
}

/// The version of `tool` that is the candidate, with version 1 in `stable`, 2 in `backports`, 3 in `experimental`.
fn candidate(installed: Option<&str>, preferences: &Preferences) -> String {
    let backports = Provenance { not_automatic: true, but_automatic_upgrades: true, ..suite("backports") };
    let experimental = Provenance { not_automatic: true, ..suite("experimental") };
    let archives = [(suite("stable"), "1"), (backports, "2"), (experimental, "3")];
    let texts = archives.clone().map(|(_, version)| stanza("tool", version, ""));
    let status = installed.map(|version| stanza("tool", version, "")).unwrap_or_default();
    let mut universe = Universe::new("amd64");
    for ((provenance, _), text) in archives.into_iter().zip(&texts) {
        universe.add_index(provenance, parse_index(text.as_bytes()).unwrap().usable).unwrap();
    }
    universe.add_baseline(parse_status(status.as_bytes()).unwrap()).unwrap();
    let tool = universe.package("tool", "amd64").unwrap();
    universe.candidate(tool, preferences).map(|version| universe.stanza(version).version.to_string()).unwrap()
}

fn pin(package: &str, target: PinTarget, priority: i32) -> Preferences {
    let pin = Pin { packages: vec![package.to_string()], target, priority };
    Preferences { pins: vec![pin], ..Preferences::default() }
}

#[test]
fn candidates_follow_the_priorities_of_their_archives() {
    let plain = Preferences::default();
    assert_eq!(candidate(None, &plain), "1", "backports and experimental are not automatic");
    assert_eq!(candidate(Some("1.5"), &plain), "2", "backports upgrade what is newer than stable");
    assert_eq!(candidate(Some("2"), &plain), "2", "no downgrade");
    assert_eq!(candidate(Some("4"), &plain), "4");
    let target = Preferences { target_release: Some("experimental".to_string()), ..plain };
    assert_eq!(candidate(None, &target), "3");
}

#[test]
fn pins_override_them_and_1000_downgrades() {
    let version = |text: &str| PinTarget::Version(text.to_string());
    assert_eq!(candidate(None, &pin("tool", version("2*"), 600)), "2");
    assert_eq!(candidate(None, &pin("t?ol", PinTarget::Site("experimental.example".to_string()), 600)), "3");
    assert_eq!(candidate(None, &pin("other", version("2*"), 600)), "1");
    assert_eq!(candidate(Some("2"), &pin("tool", version("1"), 999)), "2");
    assert_eq!(candidate(Some("2"), &pin("tool", version("1"), 1000)), "1");
    let all = PinTarget::Release {
        suite: Some("exp*".to_string()),
        codename: None,
        origin: None,
        label: None,
        component: None,
    };
    assert_eq!(candidate(None, &pin("*", all, 900)), "3");
}

#[test]
fn phased_updates_wait_only_where_that_is_wanted_and_something_is_installed() {
    let text = stanza("tool", "1", "") + &stanza("tool", "2", "Phased-Update-Percentage: 20\n");
    let status = stanza("tool", "1", "");
    for (installed, waits, expected) in [(true, false, "2"), (true, true, "1"), (false, true, "2")] {
        let mut universe = Universe::new("amd64");
        universe.add_index(suite("updates"), parse_index(text.as_bytes()).unwrap().usable).unwrap();
        if installed {
            universe.add_baseline(parse_status(status.as_bytes()).unwrap()).unwrap();
        }
        let preferences = Preferences { hold_back_phased_updates: waits, ..Preferences::default() };
        let tool = universe.package("tool", "amd64").unwrap();
        let candidate = universe.candidate(tool, &preferences).unwrap();
        assert_eq!(universe.stanza(candidate).version.as_str(), expected);
    }
}

#[test]
fn one_build_in_two_places_is_one_version_and_a_rebuild_is_another() {
    let first = stanza("a", "1", "Depends: b, c\n");
    let same = stanza("a", "1", "Depends: b,  c\n");
    let rebuilt = stanza("a", "1", "Depends: b\n");
    let mut universe = Universe::new("amd64");
    for (name, text) in [("one", &first), ("two", &same), ("three", &rebuilt)] {
        universe.add_index(suite(name), parse_index(text.as_bytes()).unwrap().usable).unwrap();
    }
    assert_eq!(universe.version_count(), 2);
    let package = universe.package("a", "amd64").unwrap();
    assert_eq!(universe.provenances(universe.versions(package)[0]).count(), 2);
}

#[test]
fn relations_reach_other_architectures_as_multi_arch_allows() {
    let text = stanza("foreign", "1", "Multi-Arch: foreign\nArchitecture: i386\n")
        + &stanza("allowed", "1", "Multi-Arch: allowed\nArchitecture: i386\n")
        + &stanza("no", "1", "Architecture: i386\n")
        + &stanza("everywhere", "1", "Architecture: all\n");
    let mut universe = Universe::new("amd64");
    universe.add_index(suite("s"), parse_index(text.as_bytes()).unwrap().usable).unwrap();
    let meets = |relation: &str| {
        let parsed = parse(relation).unwrap();
        !universe.meeting(&parsed[0].alternatives[0], "amd64").is_empty()
    };
    assert!(meets("foreign") && meets("allowed:any") && meets("no:i386") && meets("everywhere"));
    assert!(!meets("allowed") && !meets("no") && !meets("no:any") && !meets("everywhere (>> 1)"));
    let holder = universe.package("everywhere", "amd64").unwrap();
    let conflict = parse("no").unwrap();
    assert_eq!(
        universe.excluded(&conflict[0].alternatives[0], holder).len(),
        1,
        "conflicts reach everywhere"
    );
}

#[test]
fn a_suite_that_is_asked_for_also_gives_what_it_needs() {
    let stable = stanza("tool", "1", "") + &stanza("lib", "1", "");
    let backports = stanza("tool", "2", "Depends: lib (>= 2)\n") + &stanza("lib", "2", "");
    let mut universe = Universe::new("amd64");
    universe.add_index(suite("stable"), parse_index(stable.as_bytes()).unwrap().usable).unwrap();
    let provenance = Provenance { not_automatic: true, but_automatic_upgrades: true, ..suite("backports") };
    universe.add_index(provenance, parse_index(backports.as_bytes()).unwrap().usable).unwrap();
    let options = Options {
        profile: Profile::Classic,
        recommends: false,
        preferences: Preferences::default(),
        holds: BTreeSet::new(),
    };
    let chosen = |request: &str| -> Vec<String> {
        let solution = solve(&universe, &[Request::parse(request).unwrap()], &options).unwrap();
        solution.choices.iter().map(|choice| universe.stanza(choice.version).version.to_string()).collect()
    };
    assert_eq!(chosen("tool"), ["1"]);
    assert_eq!(chosen("tool/backports"), ["2", "2"]);
}
