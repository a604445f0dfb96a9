//! The apt of this machine reads our repository, from private directories: the machine is left alone.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::packages::{Repository, repository};
use crate::{has, said};

/// A private place for everything that apt keeps.
struct Apt {
    directory: TempDir,
}

impl Apt {
    /// An apt that knows one source and no installed package.
    fn new(options: &str, path: &Path) -> Self {
        let apt = Apt { directory: tempfile::tempdir().unwrap() };
        for below in ["state/lists/partial", "cache/archives/partial", "etc"] {
            fs_err::create_dir_all(apt.directory.path().join(below)).unwrap();
        }
        fs_err::write(apt.directory.path().join("status"), "").unwrap();
        fs_err::write(apt.source_list(), format!("deb [{options}] file:{} ./\n", path.display())).unwrap();
        apt
    }

    fn of(repository: &Repository) -> Self {
        let keyring = repository.keyring.display();
        Apt::new(&format!("signed-by={keyring}"), &repository.path)
    }

    fn source_list(&self) -> std::path::PathBuf {
        self.directory.path().join("etc/sources.list")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let at = |name: &str, below: &str| format!("{name}={}", self.directory.path().join(below).display());
        let options = [
            at("Dir::State", "state"),
            at("Dir::State::status", "status"),
            at("Dir::Cache", "cache"),
            at("Dir::Etc", "etc"),
            at("Dir::Etc::sourcelist", "etc/sources.list"),
            "Dir::Etc::sourceparts=-".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "Acquire::Check-Date=true".to_owned(),
            "Acquire::Check-Valid-Until=true".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ];
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C").args(options.iter().flat_map(|option| ["-o", option]));
        command.args(arguments).output().unwrap()
    }
}

/// A repository in a directory of its own.
fn fresh() -> (TempDir, Repository) {
    let directory = tempfile::tempdir().unwrap();
    let repository = repository(directory.path(), "2026-01-01T00:00:00Z");
    (directory, repository)
}

fn can_run() -> bool {
    has("apt-get") && has("dpkg-deb")
}

#[test]
fn apt_accepts_the_repository_and_finds_the_packages() {
    if !can_run() {
        return;
    }
    let (_directory, repository) = fresh();
    let apt = Apt::of(&repository);
    let updated = apt.run(&["update"]);
    assert!(updated.status.success(), "{}", said(&updated));
    assert!(!said(&updated).contains("W:"), "{}", said(&updated));
    let planned = apt.run(&["--simulate", "install", "airlock-probe=1:2.0~rc1+b1-1"]);
    let plan: Vec<String> =
        said(&planned).lines().filter(|line| line.starts_with("Inst ")).map(str::to_owned).collect();
    assert_eq!(
        plan,
        [
            "Inst airlock-probe-data (3:1.0 Airlock:airlock [all])",
            "Inst airlock-probe (1:2.0~rc1+b1-1 Airlock:airlock [amd64])"
        ]
    );
    let fetched = apt.run(&["--yes", "--download-only", "install", "airlock-probe"]);
    assert!(fetched.status.success(), "{}", said(&fetched));
}

#[test]
fn apt_finds_a_package_when_only_the_compressed_list_is_there() {
    if !can_run() {
        return;
    }
    let (_directory, repository) = fresh();
    for name in ["Packages", "Release", "Release.gpg"] {
        fs_err::remove_file(repository.path.join(name)).unwrap();
    }
    let apt = Apt::of(&repository);
    assert!(apt.run(&["update"]).status.success());
    assert!(said(&apt.run(&["--simulate", "install", "airlock-probe"])).contains("Inst airlock-probe "));
}

#[test]
fn apt_accepts_the_detached_signature_and_the_armored_key() {
    if !can_run() {
        return;
    }
    let (_directory, repository) = fresh();
    fs_err::remove_file(repository.path.join("InRelease")).unwrap();
    let apt = Apt::new(&format!("signed-by={}", repository.armored.display()), &repository.path);
    let updated = apt.run(&["update"]);
    assert!(updated.status.success(), "{}", said(&updated));
    assert!(said(&apt.run(&["--simulate", "install", "airlock-probe"])).contains("Inst airlock-probe "));
}

#[test]
fn a_machine_whose_clock_is_behind_accepts_the_repository_if_told_not_to_look() {
    if !can_run() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let repository = repository(directory.path(), "2099-01-01T00:00:00Z");
    let keyring = repository.keyring.display();
    assert!(!Apt::of(&repository).run(&["update"]).status.success(), "the test would show nothing");
    let apt = Apt::new(&format!("signed-by={keyring} check-date=no"), &repository.path);
    let updated = apt.run(&["update"]);
    assert!(updated.status.success(), "{}", said(&updated));
}

#[test]
fn apt_refuses_what_was_changed_and_what_another_key_signed() {
    if !can_run() {
        return;
    }
    let (_directory, repository) = fresh();
    let strange = Apt::new("", &repository.path);
    assert!(!strange.run(&["update"]).status.success(), "a repository without its key was accepted");
    let deb = repository.path.join("pool/airlock-probe-data_3%3a1.0_all.deb");
    let mut bytes = fs_err::read(&deb).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&deb, bytes).unwrap();
    let apt = Apt::of(&repository);
    assert!(apt.run(&["update"]).status.success());
    assert!(!apt.run(&["--yes", "--download-only", "install", "airlock-probe"]).status.success());
    for name in ["Packages", "Packages.xz"] {
        fs_err::write(repository.path.join(name), "Package: evil\n").unwrap();
    }
    assert!(!Apt::of(&repository).run(&["update"]).status.success());
}
