//! Holds the dependencies to `deny.toml` on machines without cargo-deny: licences, bans and sources.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::collections::BTreeSet;
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
    /// The only crates that may depend on it.
    #[serde(default)]
    wrappers: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

fn rules() -> Rules {
    toml::from_str(&fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap())
        .unwrap()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let environment = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
    let target = format!("{}-unknown-linux-{environment}", std::env::consts::ARCH);
    let option = if arguments[0] == "tree" { "--target" } else { "--filter-platform" };
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline", option, &target])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

// `cargo metadata` knows licences and sources, but also lists optional dependencies that nobody switched on.
// `cargo tree` prints what is really built, one `name vVERSION` a line.
fn dependencies() -> Vec<Package> {
    let tree = cargo(&["tree", "--prefix", "none", "--edges", "normal,build,dev", "--format", "{p}"]);
    let tree = String::from_utf8(tree).unwrap();
    let built: BTreeSet<(&str, &str)> = tree
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(" v"))
        .map(|(name, rest)| (name, rest.split(' ').next().unwrap()))
        .collect();
    let metadata: Metadata = serde_json::from_slice(&cargo(&["metadata", "--format-version", "1"])).unwrap();
    let is_built = |package: &Package| built.contains(&(package.name.as_str(), package.version.as_str()));
    metadata.packages.into_iter().filter(is_built).filter(|package| package.name != "airlock").collect()
}

#[test]
fn every_licence_is_allowed() {
    let allowed = rules().licenses.allow;
    let packages = dependencies();
    assert!(packages.len() > 50, "only {} packages were found", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| {
            !package.license.as_deref().is_some_and(|licence| Expression::allows(licence, &allowed))
        })
        .map(|package| format!("{}: {:?}", package.name, package.license))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// The crates that depend directly on `name`, which is built.
fn dependants(name: &str) -> BTreeSet<String> {
    let tree = cargo(&["tree", "--invert", name, "--depth", "1", "--prefix", "depth", "--format", "{p}"]);
    let tree = String::from_utf8(tree).unwrap();
    let direct = tree.lines().filter_map(|line| line.strip_prefix('1'));
    direct.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn nothing_banned_is_built() {
    let packages = dependencies();
    let bans = rules().bans.deny;
    let built = bans.iter().filter(|ban| packages.iter().any(|package| package.name == ban.name));
    let found =
        built.filter(|ban| ban.wrappers.is_empty() || !dependants(&ban.name).is_subset(&ban.wrappers));
    let found: Vec<String> = found.map(|ban| format!("{}: {}", ban.name, ban.reason)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn everything_comes_from_one_registry() {
    let packages = dependencies();
    let sources: BTreeSet<Option<&str>> = packages.iter().map(|package| package.source.as_deref()).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(
        sources.iter().all(|source| source.is_some_and(|source| source.starts_with("registry+"))),
        "{sources:?}"
    );
}

/// An SPDX licence expression, evaluated while it is read (SPDX specification, annex "License expressions").
struct Expression<'a> {
    tokens: Vec<&'a str>,
    next: usize,
    allowed: &'a BTreeSet<String>,
}

impl<'a> Expression<'a> {
    fn allows(text: &'a str, allowed: &'a BTreeSet<String>) -> bool {
        // Old manifests write `A/B` for `A OR B`.
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let tokens: Vec<&str> = spaced.split_whitespace().collect();
        let mut expression = Expression { tokens, next: 0, allowed };
        let verdict = expression.any();
        verdict && expression.next == expression.tokens.len()
    }

    fn any(&mut self) -> bool {
        let mut verdict = self.all();
        while self.take("OR") {
            verdict |= self.all();
        }
        verdict
    }

    fn all(&mut self) -> bool {
        let mut verdict = self.one();
        while self.take("AND") {
            verdict &= self.one();
        }
        verdict
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let verdict = self.any();
            return self.take(")") && verdict;
        }
        let Some(licence) = self.tokens.get(self.next).map(|token| (*token).to_owned()) else { return false };
        self.next += 1;
        // An exception has to be allowed by name, together with its licence.
        let licence = if self.take("WITH") {
            let exception = self.tokens.get(self.next).copied().unwrap_or_default();
            self.next += 1;
            format!("{licence} WITH {exception}")
        } else {
            licence
        };
        self.allowed.contains(&licence)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.next) == Some(&token);
        self.next += usize::from(found);
        found
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()].into();
    for (text, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT/GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("ISC AND (MIT OR GPL-3.0-only)", true),
        ("GPL-3.0-only OR MIT AND MPL-2.0", false),
        ("MIT WITH some-exception", false),
        ("MIT)", false),
        ("", false),
    ] {
        assert_eq!(Expression::allows(text, &allowed), expected, "{text}");
    }
}
