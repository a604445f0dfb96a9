//! Tests on small repositories with the names, versions and strict dependencies of the real ones: what is planned is
//! solved, and the result is proven.

mod cuda;
mod debian;
mod device_plugin;
mod run_file;
mod toolkit;
mod ubuntu;

use std::collections::BTreeSet;

use super::*;
use crate::debian::checker::violations;
use crate::debian::package::{Package, parse_index, parse_status};
use crate::debian::solver::{Options, Profile, solve};
use crate::debian::universe::Provenance;
use crate::debian::universe::pins::Preferences;
use crate::error::codes;
use crate::spec::nvidia::{ContainerToolkit, Driver as DriverWish};

/// What a plan comes to.
#[derive(Debug)]
struct Outcome {
    /// Everything that is installed, as `name=version`.
    installed: Vec<String>,
    wanted: Wanted,
}

impl Outcome {
    /// The names of what is installed by name for a purpose.
    fn asked(&self, purpose: Purpose) -> Vec<&str> {
        let of_purpose = self.wanted.requests.iter().filter(|(other, _)| *other == purpose);
        of_purpose.map(|(_, request)| request.name.as_str()).collect()
    }

    fn has(&self, package: &str) -> bool {
        self.installed.iter().any(|installed| installed == package)
    }

    fn driver(&self) -> &Driver {
        self.wanted.record.driver.as_ref().unwrap()
    }

    /// How each kernel gets its modules, as `release` or `release by DKMS`.
    fn kernels(&self) -> Vec<String> {
        let shown = |kernel: &Kernel| match kernel.prebuilt {
            true => kernel.release.clone(),
            false => format!("{} by DKMS", kernel.release),
        };
        self.driver().kernels.iter().map(shown).collect()
    }
}

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

/// Plans, solves and proves. The repositories come with the `Origin` of their `Release`.
fn outcome(nvidia: &Nvidia, host: &str, repositories: &[(&str, &str)], baseline: &str) -> Result<Outcome> {
    let texts: Vec<String> = repositories.iter().map(|(_, lines)| stanzas(lines)).collect();
    let baseline = stanzas(baseline);
    let mut universe = Universe::new("amd64");
    for ((origin, _), text) in repositories.iter().zip(&texts) {
        let provenance = Provenance { origin: (*origin).to_owned(), ..Provenance::default() };
        universe.add_index(provenance, parse_index(text.as_bytes())?.usable)?;
    }
    universe.add_baseline(parse_status(baseline.as_bytes())?)?;
    let wanted = packages(nvidia, host, Platform::LinuxAmd64, &universe)?;
    let installed = solved(&universe, &wanted)?;
    Ok(Outcome { installed, wanted })
}

fn solved(universe: &Universe<'_>, wanted: &Wanted) -> Result<Vec<String>> {
    let preferences = Preferences { pins: wanted.pins.clone(), ..Preferences::default() };
    let options =
        Options { profile: Profile::Classic, recommends: false, preferences, holds: BTreeSet::new() };
    let requests: Vec<Request> = wanted.requests.iter().map(|(_, request)| request.clone()).collect();
    let solution = solve(universe, &requests, &options)?;
    let additions: Vec<&Package<'_>> =
        solution.choices.iter().map(|choice| universe.stanza(choice.version)).collect();
    let before: Vec<&Package<'_>> =
        universe.baseline().iter().map(|version| universe.stanza(*version)).collect();
    assert_eq!(violations("amd64", &before, &additions)?, []);
    Ok(additions.iter().map(|package| format!("{}={}", package.name, package.version)).collect())
}

/// A section that wants a driver and nothing else.
fn section(source: DriverSource, branch: &str) -> Nvidia {
    let driver = DriverWish {
        source,
        branch: Some(branch.to_owned()).filter(|branch| !branch.is_empty()),
        version: None,
        flavour: Flavour::Open,
        kernels: Vec::new(),
        line: 7,
    };
    Nvidia {
        targets: vec!["gpu".to_owned()],
        driver: Some(driver),
        fabric_manager: false,
        container_toolkit: None,
        device_plugin: None,
        line: 5,
    }
}

/// The section with another driver.
fn with(mut nvidia: Nvidia, change: impl FnOnce(&mut DriverWish)) -> Nvidia {
    change(nvidia.driver.as_mut().unwrap());
    nvidia
}

/// Whether the error says all of this, in whichever place.
#[track_caller]
fn says(error: &Error, code: crate::error::Code, parts: &[&str]) {
    assert_eq!(error.code(), code, "{error}");
    let text = format!("{error}\n{}\n{}", error.details().join("\n"), error.help().unwrap());
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// What DKMS builds with, and kernels with their headers.
const BUILD: &str = "
    dkms 3.0.11 Depends: gcc | c-compiler, make
    gcc 13
    make 4.3
    libc6-dev 2.39
    zstd 1.5
    linux-headers-generic 6.8.0-110.110 Depends: linux-headers-6.8.0-110-generic (= 6.8.0-110.110)
    linux-headers-amd64 6.12.117-1 Depends: linux-headers-6.12.117+deb13-amd64 (= 6.12.117-1)
    linux-headers-6.8.0-110 6.8.0-110.110
    linux-headers-6.8.0-110-generic 6.8.0-110.110 Depends: linux-headers-6.8.0-110
    linux-headers-6.8.0-60-generic 6.8.0-60.63
    linux-headers-6.12.117+deb13-amd64 6.12.117-1
    linux-image-6.12.117+deb13-amd64 6.12.117-1
    linux-image-6.8.0-110-generic 6.8.0-110.110 Depends: linux-modules-6.8.0-110-generic
    linux-modules-6.8.0-110-generic 6.8.0-110.110
    linux-modules-extra-6.8.0-110-generic 6.8.0-110.110
    linux-image-6.8.0-60-generic 6.8.0-60.63
";
