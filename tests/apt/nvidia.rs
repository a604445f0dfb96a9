//! Debian's NVIDIA driver as it is in the archive today: what is planned can be had, and is what apt would take.
//!
//! Lists of the release are fetched into a private directory, with `contrib`, `non-free` and `non-free-firmware`, from
//! where this machine gets its own; the configuration of the machine stays as it is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use airlock::debian::checker;
use airlock::debian::package::{Package, parse_index};
use airlock::debian::solver::{Options, Profile, Request, Selector, solve};
use airlock::debian::sources::{self, SignedBy, Source};
use airlock::debian::universe::pins::{Pin, PinTarget, Preferences};
use airlock::debian::universe::{Provenance, Universe};
use airlock::error::codes;
use airlock::oci::platform::Platform;
use airlock::source::nvidia::{Wanted, packages};
use airlock::spec::nvidia::{Driver, DriverSource, Flavour, Nvidia};

use crate::{has, said};

const COMPONENTS: &str = "main contrib non-free non-free-firmware";

/// A directory with an apt of its own that knows one release.
struct PrivateApt {
    directory: PathBuf,
}

impl PrivateApt {
    /// The lists of `release`; `None`, loudly, where they cannot be had.
    fn fetch(release: &str) -> Option<Self> {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvidia").join(release);
        for part in [
            "etc/apt/preferences.d",
            "etc/apt/apt.conf.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
        ] {
            fs_err::create_dir_all(directory.join(part)).unwrap();
        }
        let apt = PrivateApt { directory };
        fs_err::write(apt.directory.join("status"), "").unwrap();
        fs_err::write(apt.directory.join("etc/apt/sources.list"), sources_list(release)?).unwrap();
        fs_err::write(apt.directory.join("apt.conf"), apt.configuration()).unwrap();
        let updated = apt.run("apt-get", &["update", "--quiet"]);
        if !updated.status.success() {
            eprintln!("SKIPPED: no lists of {release}: {}", said(&updated));
            return None;
        }
        Some(apt)
    }

    fn configuration(&self) -> String {
        let directory = self.directory.display();
        format!(
            "Dir \"{directory}\";\nDir::State::status \"{directory}/status\";\nAPT::Architecture \"amd64\";\n\
             APT::Architectures {{ \"amd64\"; }};\nAPT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n\
             Acquire::GzipIndexes \"false\";\nAcquire::Check-Valid-Until \"false\";\nDebug::NoLocking \"true\";\n"
        )
    }

    fn run(&self, program: &str, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(program);
        command.args(arguments).env("APT_CONFIG", self.directory.join("apt.conf")).env("LC_ALL", "C");
        command.output().unwrap()
    }

    /// The lists, in the order of the sources.
    fn lists(&self) -> Vec<Vec<u8>> {
        let format = ["indextargets", "--format", "$(FILENAME)", "Created-By: Packages"];
        let listed = self.run("apt-get", &format);
        let paths = String::from_utf8(listed.stdout).unwrap();
        paths.lines().filter_map(|path| fs_err::read(path).ok()).collect()
    }

    /// What apt installs, as `name=version`.
    fn installed(&self, wanted: &Wanted) -> BTreeSet<String> {
        let preferences: String = wanted.pins.iter().map(stanza).collect();
        fs_err::write(self.directory.join("etc/apt/preferences"), preferences).unwrap();
        let requests: Vec<String> = wanted.requests.iter().map(|(_, request)| shown(request)).collect();
        let mut arguments = vec!["--simulate", "--no-install-recommends", "install"];
        arguments.extend(requests.iter().map(String::as_str));
        let output = self.run("apt-get", &arguments);
        assert!(output.status.success(), "{}", said(&output));
        let lines = String::from_utf8(output.stdout).unwrap();
        let installed = lines.lines().filter_map(|line| line.strip_prefix("Inst ")?.split_once(" ("));
        installed.map(|(name, rest)| format!("{name}={}", rest.split(' ').next().unwrap())).collect()
    }
}

/// A pin as apt's preferences have it.
fn stanza(pin: &Pin) -> String {
    let PinTarget::Version(version) = &pin.target else { panic!("{pin:?} is not about a version") };
    format!("Package: {}\nPin: version {version}\nPin-Priority: {}\n\n", pin.packages.join(" "), pin.priority)
}

fn shown(request: &Request) -> String {
    match &request.selector {
        Selector::Version(version) => format!("{}={version}", request.name),
        _ => request.name.clone(),
    }
}

/// The sources of `release`, where this machine has its own.
fn sources_list(release: &str) -> Option<String> {
    let sources = of_this_machine();
    let is_security = |source: &&Source| source.suites.iter().any(|suite| suite.ends_with("-security"));
    let find = |wanted: bool| sources.iter().find(|source| source.enabled && is_security(source) == wanted);
    let (Some(archive), Some(security)) = (find(false), find(true)) else {
        eprintln!("SKIPPED: this machine's apt has no archive of Debian configured");
        return None;
    };
    let line = |source: &Source, suite: &str| {
        let keyring = source.signed_by.iter().find_map(|key| match key {
            SignedBy::Path(path) => Some(format!("[signed-by={path}] ")),
            _ => None,
        });
        format!("deb {}{} {suite} {COMPONENTS}\n", keyring.unwrap_or_default(), source.uris[0])
    };
    let updates = [line(archive, release), line(archive, &format!("{release}-updates"))];
    Some(updates.concat() + &line(security, &format!("{release}-security")))
}

fn of_this_machine() -> Vec<Source> {
    let directory = fs_err::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let mut paths: Vec<PathBuf> = directory.map(|entry| entry.unwrap().path()).collect();
    paths.push("/etc/apt/sources.list".into());
    let is_list = |path: &&PathBuf| path.extension().is_some_and(|end| end == "list" || end == "sources");
    let read = |path: &PathBuf| {
        let text = fs_err::read_to_string(path).ok()?;
        Some(sources::parse(&path.to_string_lossy(), &text).unwrap())
    };
    paths
        .iter()
        .filter(is_list)
        .filter_map(read)
        .flatten()
        .filter(|source| source.uris[0].contains("debian"))
        .collect()
}

fn nvidia(flavour: Flavour) -> Nvidia {
    let source = DriverSource::Distribution;
    let driver = Driver { source, branch: None, version: None, flavour, kernels: Vec::new(), line: 1 };
    Nvidia {
        targets: vec!["gpu".to_owned()],
        driver: Some(driver),
        fabric_manager: false,
        container_toolkit: None,
        device_plugin: None,
        line: 1,
    }
}

/// What our solver installs, proven by our checker.
fn solved(universe: &Universe<'_>, wanted: &Wanted) -> BTreeSet<String> {
    let preferences = Preferences { pins: wanted.pins.clone(), ..Preferences::default() };
    let options =
        Options { profile: Profile::Classic, recommends: false, preferences, holds: BTreeSet::new() };
    let requests: Vec<Request> = wanted.requests.iter().map(|(_, request)| request.clone()).collect();
    let solution = solve(universe, &requests, &options).unwrap();
    let chosen: Vec<&Package<'_>> =
        solution.choices.iter().map(|choice| universe.stanza(choice.version)).collect();
    checker::check("amd64", &[], &chosen).unwrap();
    chosen.iter().map(|package| format!("{}={}", package.name, package.version)).collect()
}

fn assert_is_what_apt_takes(release: &str, host: &str) {
    if !has("apt-get") {
        return;
    }
    let Some(apt) = PrivateApt::fetch(release) else { return };
    let lists = apt.lists();
    let mut universe = Universe::new("amd64");
    for list in &lists {
        universe.add_index(Provenance::default(), parse_index(list).unwrap().usable).unwrap();
    }
    for flavour in [Flavour::Proprietary, Flavour::Open] {
        let wanted = match packages(&nvidia(flavour), host, Platform::LinuxAmd64, &universe) {
            // Open modules come from another source package, which security updates leave behind.
            Err(error) if flavour == Flavour::Open && error.code() == codes::NVIDIA_MISMATCH => {
                eprintln!("{release}: {flavour:?}: {error} ({})", error.details().join("; "));
                continue;
            }
            planned => planned.unwrap(),
        };
        let ours = solved(&universe, &wanted);
        assert_eq!(ours, apt.installed(&wanted), "{release}: {flavour:?}");
        assert!(!ours.iter().any(|package| package.starts_with("xserver-xorg")), "X comes along");
        let Wanted { record, warnings, .. } = wanted;
        eprintln!("{release}: {flavour:?}: {} packages, {:?}, {warnings:?}", ours.len(), record.driver);
    }
}

#[test]
#[ignore = "fetches the lists of a release from a mirror"]
fn the_driver_of_debian_12_is_what_apt_takes() {
    assert_is_what_apt_takes("bookworm", "debian-12");
}

#[test]
#[ignore = "fetches the lists of a release from a mirror"]
fn the_driver_of_debian_13_is_what_apt_takes() {
    assert_is_what_apt_takes("trixie", "debian-13");
}
