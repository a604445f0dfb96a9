//! Tests of the checker: what holds, what does not, and that every mutation of what holds is caught.

use proptest::prelude::*;

use super::*;
use crate::debian::package::{parse_index, parse_status};

/// Packages written as `name version field: value; field: value`, one in each line.
fn index(lines: &str) -> String {
    let digest = "0".repeat(64);
    let mut text = String::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let fields = words.next().unwrap_or_default().replace("; ", "\n");
        let architecture = if fields.contains("Architecture: ") { "" } else { "Architecture: amd64\n" };
        text += &format!(
            "Package: {name}\nVersion: {version}\nStatus: install ok installed\n{architecture}{fields}{}Filename: f\nSize: 1\nSHA256: {digest}\n\n",
            if fields.is_empty() { "" } else { "\n" }
        );
    }
    text
}

fn found(baseline: &str, additions: &str) -> Vec<String> {
    let (baseline, additions) = (index(baseline), index(additions));
    let baseline = parse_status(baseline.as_bytes()).unwrap();
    let additions = parse_index(additions.as_bytes()).unwrap().usable;
    let baseline: Vec<&Package<'_>> = baseline.iter().collect();
    let additions: Vec<&Package<'_>> = additions.iter().collect();
    let mut texts: Vec<String> =
        violations("amd64", &baseline, &additions).unwrap().iter().map(Violation::to_string).collect();
    texts.sort();
    texts
}

#[test]
fn complete_sets_pass() {
    assert!(found("", "a 1 Depends: b (>= 1) | c, v; Recommends: nothing\nb 1\nd 1 Provides: v").is_empty());
    assert!(found("b 1", "a 1 Depends: b\nall 1 Architecture: all; Depends: a").is_empty());
    assert!(found("", "a 1 Provides: mta; Conflicts: mta").is_empty(), "a package never excludes itself");
    assert!(found("", "a 1 Depends: v (>= 2)\nb 1 Provides: v (= 2)").is_empty());
    assert!(found("", "a 1 Depends: python3:any\npython3 3 Multi-Arch: allowed").is_empty());
}

#[test]
fn each_kind_of_violation_is_found() {
    let cases = [
        ("", "a 1 Depends: b", "a 1 (amd64) needs b, which nothing provides"),
        ("", "a 1 Pre-Depends: b (>= 2)\nb 1", "a 1 (amd64) needs b (>= 2), which nothing provides"),
        ("", "a 1 Depends: v (>= 1)\nb 1 Provides: v", "a 1 (amd64) needs v (>= 1), which nothing provides"),
        ("", "a 1 Depends: b:any\nb 1", "a 1 (amd64) needs b:any, which nothing provides"),
        ("b 1", "a 1 Conflicts: b", "a 1 (amd64) excludes b 1 (amd64)"),
        ("b 1 Breaks: a (<< 2)", "a 1", "b 1 (amd64) excludes a 1 (amd64)"),
        ("", "a 1 Conflicts: v\nb 1 Provides: v", "a 1 (amd64) excludes b 1 (amd64)"),
        ("a 2", "a 1", "a 1 (amd64) would replace the later 2"),
        ("", "a 1\na 2", "a 2 (amd64) is added in two versions"),
        ("a 1 Depends: b (= 1)\nb 1", "b 2", "a 1 (amd64) needs b (= 1), which nothing provides"),
        (
            "l 1 Multi-Arch: same; Architecture: i386",
            "l 2 Multi-Arch: same",
            "l 2 (amd64) cannot be there together with l 1 (i386)",
        ),
    ];
    for (baseline, additions, expected) in cases {
        let found = found(baseline, additions);
        assert!(found.iter().any(|text| text == expected), "{baseline} + {additions}: {found:?}");
    }
}

#[test]
fn what_was_wrong_before_is_not_blamed_on_the_additions() {
    assert!(found("old 1 Depends: gone\nx 1 Conflicts: y\ny 1", "a 1").is_empty());
    assert_eq!(found("old 1 Depends: gone", "old 2 Depends: gone").len(), 1);
}

/// A chain of packages that each need the next, with one that excludes an outsider.
fn chain(length: usize) -> Vec<String> {
    let package = |number: usize| match number + 1 == length {
        true => format!("p{number} 1 Conflicts: outsider"),
        false => format!("p{number} 1 Depends: p{} (= 1)", number + 1),
    };
    (0..length).map(package).collect()
}

proptest! {
    /// A set that holds fails as soon as one package is taken out, changed or joined by an excluded one.
    #[test]
    fn every_mutation_of_a_set_that_holds_is_caught(length in 2usize..30, pick in 0usize..1000, kind in 0..3) {
        let good = chain(length);
        prop_assert!(found("", &good.join("\n")).is_empty());
        let mut bad = good.clone();
        let victim = 1 + pick % (length - 1);
        match kind {
            0 => drop(bad.remove(victim)),
            1 => bad[victim] = bad[victim].replacen(" 1", " 2", 1),
            _ => bad.push("outsider 1".to_string()),
        }
        prop_assert!(!found("", &bad.join("\n")).is_empty(), "{bad:?}");
    }
}
