//! `bundle build --prove`: the real apt has the last word.
//!
//! The tests with a whole root take a mirror and half a minute each: `cargo test --test build prove -- --ignored`.

use std::process::{Command, Stdio};

use super::apt;
use super::apt_repository::{Suite, control, key};
use super::server::transfer::Pace;
use super::site::{Site, has, succeeded, until};
use super::support::Outcome;

/// Real Debian from the mirror of this machine, and a repository of ours beside it.
const SPEC: &str = "\
hosts: [debian-12]
apt:
  packages: [airlock-probe]
  repositories:
    - uri: http://{upstream}/extra
      suites: [\"./\"]
      signedBy: extra.asc
  targets:
    - host: debian-12
";

/// `doc` is installable by everything its description says, but it has a file where others have `/usr/share/doc`.
const EXTRA: [&str; 2] = ["airlock-probe 1:2.0; Depends: libc6", "doc 1"];

fn can_prove() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a proof takes the rights of root");
        return false;
    }
    has("mmdebstrap") && has("unshare")
}

fn has_mirror() -> bool {
    let listed =
        Command::new("apt-get").args(["indextargets", "--format", "$(CODENAME)", "Label: Debian"]).output();
    let found = listed.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("bookworm"));
    if !found {
        eprintln!("SKIPPED: this machine's apt has no mirror of Debian 12");
    }
    found
}

fn site() -> Site {
    let site = Site::with_data(SPEC, Pace::default(), |data| fs_err::create_dir(data).unwrap());
    let extra: Vec<String> = EXTRA.iter().map(|text| control(text)).collect();
    let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
    Suite { by_hash: false, ..Suite::new(&site.data("files/extra"), "./", &extra) }.write();
    fs_err::write(site.path("extra.asc"), key(1).armored_keyring().unwrap()).unwrap();
    site
}

/// `bundle build --prove`, which may reach the mirror.
fn command(site: &Site, more: &[&str]) -> Command {
    let mut command = site.command(&["bundle", "build", "-o", "out", "--progress", "none", "--prove"]);
    command.args(more).env_remove("HTTPS_PROXY");
    command
}

fn build(site: &Site, more: &[&str]) -> Outcome {
    site.outcome(&command(site, more).output().unwrap())
}

/// Neither a mount nor a file may be left, whatever happened.
fn assert_nothing_is_left(site: &Site) {
    let workspace = site.path(".cache/airlock/prove");
    assert!(!workspace.exists(), "{} is still there", workspace.display());
    assert!(
        !fs_err::read_to_string("/proc/mounts").unwrap().contains("/prove/"),
        "something is still mounted"
    );
}

#[test]
fn without_packages_there_is_nothing_to_prove() {
    let site = Site::new("files:\n  - path: motd\n    to: /etc/motd\n");
    let outcome = site.must_build(&["--prove"]);
    assert!(
        outcome.stderr.contains("warning: there is nothing to prove: bundle.yaml has no section `apt`"),
        "{outcome}"
    );
}

/// The packages of the other tests stand in for a release; no machine runs on them.
#[test]
fn a_root_that_cannot_be_made_is_an_error_and_nothing_is_built() {
    if !can_prove() {
        return;
    }
    let (site, _debian) = apt::site();
    let outcome = build(&site, &[]);
    assert_eq!(outcome.exit, Some(7), "{outcome}");
    assert!(
        outcome
            .stderr
            .contains("error[E0873]: mmdebstrap cannot make a root of the packages of the baseline"),
        "{outcome}"
    );
    assert!(!site.path("bundle.lock").exists() && !site.path("out").exists());
    assert_nothing_is_left(&site);
}

#[test]
#[ignore = "makes roots from a mirror"]
fn what_apt_installs_is_evidence_and_what_it_refuses_is_not_built() {
    if !can_prove() || !has_mirror() {
        return;
    }
    let mut site = site();
    let outcome = succeeded(build(&site, &[]));
    assert!(outcome.stdout.contains("proved    debian-12 installed by apt 2.6."), "{outcome}");
    let lock = site.lock_text();
    let evidence = lock.split("  evidence:\n").nth(1).unwrap();
    assert!(evidence.contains("    installed: true\n"), "{evidence}");
    assert!(
        evidence.contains("- 0 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.\n"),
        "{evidence}"
    );
    assert!(evidence.contains("- Setting up airlock-probe (1:2.0)\n"), "{evidence}");
    assert_nothing_is_left(&site);

    // What is proved stays proved, also with --locked.
    succeeded(build(&site, &["--locked"]));
    assert_eq!(site.lock_text(), lock);

    site.edit("[airlock-probe]", "[airlock-probe, doc]");
    let refused = build(&site, &[]);
    assert_eq!(refused.exit, Some(3), "{refused}");
    let message =
        "error[E0874]: target debian-12: the apt of debian-12 failed to install the packages because of ";
    assert!(refused.stderr.contains(message), "{refused}");
    assert!(refused.stderr.contains("trying to overwrite"), "{refused}");
    assert_eq!(site.lock_text(), lock, "the lock stays as it was");
    assert_nothing_is_left(&site);
}

#[test]
#[ignore = "makes roots from a mirror"]
fn a_killed_proof_leaves_no_process_and_the_next_one_cleans_up() {
    if !can_prove() || !has_mirror() {
        return;
    }
    let site = site();
    let root = site.path(".cache/airlock/prove/root/usr");
    let mut killed = command(&site, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| root.exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let place = site.path(".cache/airlock/prove").display().to_string();
    until(|| !processes_mention(&place));
    succeeded(build(&site, &[]));
    assert_nothing_is_left(&site);
}

/// Whether a process has this text in its command line.
fn processes_mention(text: &str) -> bool {
    let processes = fs_err::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs_err::read(entry.path().join("cmdline")).ok());
    lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(text))
}
