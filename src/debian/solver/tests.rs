//! Tests of the decision procedures on small indices; the real archives are in `scripts/bench apt-equality`.

use proptest::prelude::*;

use super::*;
use crate::debian::checker::violations;
use crate::debian::package::{Package, parse_index, parse_status};
use crate::debian::universe::Provenance;
use crate::error::codes;

const ALL: [Profile; 3] = [Profile::Apt24, Profile::Classic, Profile::Solver3];

/// Packages written as `name version field: value; field: value`, one in each line.
fn stanzas(lines: &str) -> String {
    let digest = "0".repeat(64);
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        text += &format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nStatus: install ok installed\n"
        );
        for field in words.next().into_iter().flat_map(|fields| fields.split("; ")) {
            text += &format!("{field}\n");
        }
        text += &format!("Filename: f\nSize: 1\nSHA256: {digest}\n\n");
    }
    text
}

/// What is installed for `requests`, as `name=version`; or the error.
fn outcome(index: &str, baseline: &str, requests: &str, options: &Options) -> Result<Vec<String>> {
    let (index, baseline) = (stanzas(index), stanzas(baseline));
    let mut universe = Universe::new("amd64");
    universe.add_index(Provenance::default(), parse_index(index.as_bytes())?.usable)?;
    universe.add_baseline(parse_status(baseline.as_bytes())?)?;
    let requests: Vec<Request> = requests.split(' ').map(Request::parse).collect::<Result<_>>()?;
    let solution = solve(&universe, &requests, options)?;
    let chosen = |choice: &Choice<'_>| universe.stanza(choice.version);
    let additions: Vec<&Package<'_>> = solution.choices.iter().map(chosen).collect();
    let installed: Vec<&Package<'_>> =
        universe.baseline().iter().map(|version| universe.stanza(*version)).collect();
    assert_eq!(violations("amd64", &installed, &additions)?, []);
    Ok(additions.iter().map(|package| format!("{}={}", package.name, package.version)).collect())
}

fn with(profile: Profile) -> Options {
    Options { profile, recommends: false, preferences: Preferences::default(), holds: BTreeSet::new() }
}

/// The outcome must be the same in all profiles, and be `expected`.
fn expect(index: &str, baseline: &str, requests: &str, expected: &str) {
    for profile in ALL {
        let found = outcome(index, baseline, requests, &with(profile)).unwrap().join(" ");
        assert_eq!(found, expected, "{profile:?}");
    }
}

fn refusal(index: &str, baseline: &str, requests: &str, profile: Profile) -> crate::error::Error {
    outcome(index, baseline, requests, &with(profile)).unwrap_err()
}

#[test]
fn needs_are_followed_and_the_first_alternative_is_preferred() {
    let index = "a 1 Depends: b | c, d (>= 2); Pre-Depends: e\nb 1\nc 1\nd 2\ne 1\nf 1";
    expect(index, "", "a", "a=1 b=1 d=2 e=1");
}

#[test]
fn what_is_installed_wins_over_what_comes_first() {
    expect("a 1 Depends: b | c\nb 1\nc 1", "c 1", "a", "a=1");
    expect("a 1 Depends: b | c (>= 2)\nb 1\nc 2", "c 1", "a", "a=1 c=2");
}

#[test]
fn a_name_that_is_only_provided_is_met_by_a_provider() {
    expect("a 1 Depends: v\nb 1 Provides: v", "", "a", "a=1 b=1");
    expect("a 1 Depends: v\nv 1\nb 1 Provides: v", "", "a", "a=1 v=1");
    expect("b 1 Provides: v", "", "v", "b=1");
}

#[test]
fn equal_providers_are_settled_by_the_last_mention_or_by_name() {
    let index = "first 1 Depends: z\na 1 Depends: v\nb 1 Provides: v\nc 1 Provides: v\nz 1 Provides: v";
    for (profile, expected) in
        [(Profile::Apt24, "a=1 c=1"), (Profile::Classic, "a=1 c=1"), (Profile::Solver3, "a=1 b=1")]
    {
        // `z` is read last, but mentioned first of all.
        assert_eq!(outcome(index, "", "a", &with(profile)).unwrap().join(" "), expected);
    }
}

#[test]
fn an_alternative_that_cannot_be_installed_is_passed_over() {
    expect("a 1 Depends: b | c\nb 1 Depends: gone\nc 1", "", "a", "a=1 c=1");
    expect("a 1 Depends: b | c\nb 1 Depends: d\nd 1 Depends: gone\nc 1", "", "a", "a=1 c=1");
}

#[test]
fn the_newer_solver_waits_with_choices_until_the_rest_is_known() {
    let index = "a 1 Depends: b | c, d\nb 1\nc 1\nd 1 Depends: c";
    assert_eq!(outcome(index, "", "a", &with(Profile::Classic)).unwrap().join(" "), "a=1 b=1 c=1 d=1");
    assert_eq!(outcome(index, "", "a", &with(Profile::Solver3)).unwrap().join(" "), "a=1 c=1 d=1");
}

#[test]
fn packages_of_one_source_move_together_since_apt_2_5() {
    let index = "tool 2 Source: s\nlib 2 Source: s";
    let baseline = "lib 1 Source: s";
    assert_eq!(outcome(index, baseline, "tool", &with(Profile::Apt24)).unwrap().join(" "), "tool=2");
    for profile in [Profile::Classic, Profile::Solver3] {
        assert_eq!(outcome(index, baseline, "tool", &with(profile)).unwrap().join(" "), "lib=2 tool=2");
    }
}

#[test]
fn what_an_upgrade_would_break_is_upgraded_too() {
    expect(
        "new 1 Depends: lib (>= 2)\nlib 2\nuser 2 Depends: lib (= 2)",
        "lib 1\nuser 1 Depends: lib (= 1)",
        "new",
        "lib=2 new=1 user=2",
    );
    expect("new 1 Breaks: old (<< 2)\nold 2", "old 1", "new", "new=1 old=2");
}

#[test]
fn recommendations_count_for_new_packages_and_never_cost_an_installed_one() {
    let index = "a 1 Recommends: b, gone, c\nb 1 Recommends: d\nc 1 Conflicts: old\nd 1\na2 1 Recommends: b";
    for profile in ALL {
        let options = Options { recommends: true, ..with(profile) };
        assert_eq!(outcome(index, "old 1", "a", &options).unwrap().join(" "), "a=1 b=1 d=1", "{profile:?}");
        let upgrade = outcome("a 2 Recommends: b, c\nb 1\nc 1", "a 1 Recommends: b", "a", &options).unwrap();
        assert_eq!(upgrade.join(" "), "a=2 c=1", "b was not wanted before");
    }
}

#[test]
fn removing_what_is_installed_is_refused() {
    for profile in ALL {
        let error = refusal("a 1 Conflicts: old", "old 1", "a", profile);
        assert!([codes::WOULD_REMOVE, codes::UNSATISFIABLE].contains(&error.code()), "{error}");
        assert!(error.details().iter().any(|detail| detail.contains("old 1")), "{:?}", error.details());
    }
}

#[test]
fn held_packages_stay() {
    for profile in ALL {
        let options = Options { holds: BTreeSet::from(["lib".to_string()]), ..with(profile) };
        let error = outcome("a 1 Depends: lib (>= 2)\nlib 2", "lib 1", "a", &options).unwrap_err();
        assert_eq!(error.code(), codes::UNSATISFIABLE);
    }
}

#[test]
fn the_chain_is_told_down_to_what_is_missing() {
    for profile in ALL {
        let index = "a 1 Depends: b\nb 1 Depends: c (>= 2)\nc 1";
        let error = refusal(index, "", "a", profile);
        assert_eq!(error.code(), codes::UNSATISFIABLE);
        assert_eq!(error.message(), "a 1 cannot be installed");
        assert_eq!(error.details(), ["a 1 needs b", "b 1 needs c (>= 2)", "there is only c 1"]);
    }
}

#[test]
fn requests_that_exclude_each_other_are_refused() {
    for profile in ALL {
        let error = refusal("a 1 Conflicts: v\nb 1 Provides: v", "", "a b", profile);
        assert_eq!(error.code(), codes::UNSATISFIABLE, "{error}");
        assert!(
            error.details().iter().any(|detail| detail.contains("conflicts with")),
            "{:?}",
            error.details()
        );
    }
}

#[test]
fn versions_are_chosen_by_request_and_unknown_names_get_similar_ones() {
    let index = "nginx 1\nnginx 2\nlib 1";
    expect(index, "", "nginx", "nginx=2");
    expect(index, "", "nginx=1", "nginx=1");
    let error = refusal(index, "", "ngnix", Profile::Classic);
    assert_eq!(
        (error.code(), error.help()),
        (
            codes::UNKNOWN_PACKAGE,
            Some(
                "similar names: nginx; if it is none of these, list the suite or component (contrib, non-free) that has it"
            )
        )
    );
    let error = refusal(index, "", "nginx=3", Profile::Classic);
    assert_eq!(error.code(), codes::UNKNOWN_PACKAGE);
    assert!(error.help().unwrap().contains("2 ()"), "{:?}", error.help());
    let error = refusal("a 1 Provides: v\nb 1 Provides: v", "", "v", Profile::Classic);
    assert_eq!((error.code(), error.help()), (codes::AMBIGUOUS_PACKAGE, Some("name one of them: a, b")));
    assert_eq!(Request::parse("=1").unwrap_err().code(), codes::PACKAGE_REQUEST);
}

#[test]
fn a_chain_without_end_is_no_crash() {
    let index: String = (0..5000).map(|number| format!("p{number} 1 Depends: p{}\n", number + 1)).collect();
    for profile in ALL {
        assert!(outcome(&index, "", "p0", &with(profile)).is_err());
    }
}

/// A random index of a dozen packages that need, recommend and exclude each other at random.
fn any_index() -> impl Strategy<Value = String> {
    let name = 0..12usize;
    let field = prop_oneof![
        4 => Just("Depends"), 1 => Just("Pre-Depends"), 1 => Just("Recommends"), 1 => Just("Conflicts"), 1 => Just("Breaks"),
    ];
    let relation = (field, name.clone(), name, 1..3u8, any::<bool>());
    let package = prop::collection::vec(relation, 0..3);
    prop::collection::vec(package, 12).prop_map(|packages| {
        let lines = packages.iter().enumerate().map(|(number, relations)| {
            let mut line = format!("p{number} {} Provides: v{}", 1 + number % 2, number % 3);
            let mut used = Vec::new();
            for (field, one, other, version, virtual_too) in relations {
                if used.contains(field) {
                    continue;
                }
                used.push(*field);
                let exclusive = matches!(*field, "Conflicts" | "Breaks");
                let second = if *virtual_too { format!("v{}", other % 3) } else { format!("p{other}") };
                let separator = if exclusive { ", " } else { " | " };
                line += &format!("; {field}: p{one} (>= {version}){separator}{second}");
            }
            line
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    /// Whatever the solver finds holds before the checker (inside `outcome`), and is found again.
    #[test]
    fn what_is_found_holds_and_is_the_same_every_time(
        index in any_index(), installed in 0..12usize, wanted in 0..12usize, recommends in any::<bool>(),
    ) {
        let baseline = format!("p{installed} 1");
        for profile in ALL {
            let options = Options { recommends, ..with(profile) };
            let first = outcome(&index, &baseline, &format!("p{wanted}"), &options);
            let second = outcome(&index, &baseline, &format!("p{wanted}"), &options);
            match (first, second) {
                (Ok(first), Ok(second)) => prop_assert_eq!(first, second),
                (Err(first), Err(second)) => prop_assert_eq!(first.to_string(), second.to_string()),
                _ => prop_assert!(false, "found once, not twice"),
            }
        }
    }
}
