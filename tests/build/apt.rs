//! Packages from end to end: repositories on this machine, the real binary, and the lock and bundle that come of it.

use jiff::SignedDuration;

use super::apt_repository::{Signature, Suite, Sums, control, key};
use super::server::transfer::Pace;
use super::site::{Site, succeeded};

/// What every release of the tests has.
const BASE: [&str; 5] = [
    "apt 2.6.1; Priority: important; Depends: libc6 (>= 2.30)",
    "base-files 12.4; Essential: yes; Priority: required",
    "libc6 2.36-9; Multi-Arch: same; Source: glibc",
    "libc-bin 2.36-9; Essential: yes; Source: glibc; Depends: libc6 (>> 2.36)",
    "nfs-common 1:2.6.2-4; Depends: rpcbind, libtirpc3 (>= 1.3); Recommends: python3",
];

/// What comes after the base, alphabetically or not.
const MORE: [&str; 6] = [
    "keepalived 1:2.2.7-1; Depends: libc6 (>= 2.34); Task: high-availability",
    "haproxy 2.6.12-1; Task: high-availability, web-server; Conflicts: varnish",
    "libtirpc3 1.3.3; Multi-Arch: same",
    "rpcbind 1.2.6-6; Pre-Depends: libtirpc3",
    "python3 3.11.2-1; Architecture: all",
    "varnish 7.1; Depends: libvarnish (>= 7.1)",
];

/// The body of a spec for Debian 12. `[MORE]` is for what a test adds to `apt`.
pub const SPEC: &str = "\
hosts: [debian-12]
apt:
  packages: [nfs-common]
  targets:
    - host: debian-12
      archive:
        uri: http://{upstream}/debian
        securityUri: http://{upstream}/debian-security
        signedBy: debian.asc
";

/// The suites of Debian 12 with these packages besides [`BASE`] and [`MORE`] in the security updates.
pub struct Debian {
    pub base: Suite,
    pub updates: Suite,
    pub security: Suite,
}

impl Debian {
    pub fn new(site: &Site) -> Debian {
        let packages: Vec<String> = BASE.iter().chain(&MORE).map(|text| control(text)).collect();
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let (main, security) = (site.data("files/debian"), site.data("files/debian-security"));
        let fixed = control("libtirpc3 1.3.3+deb12u1; Multi-Arch: same");
        Debian {
            base: Suite::new(&main, "bookworm", &packages),
            updates: Suite::new(&main, "bookworm-updates", &[]),
            security: Suite::new(&security, "bookworm-security", &[&fixed]),
        }
    }

    pub fn write(&self) {
        [&self.base, &self.updates, &self.security].into_iter().for_each(Suite::write);
    }
}

/// A site whose upstream is Debian, and whose spec is [`SPEC`].
pub fn site() -> (Site, Debian) {
    let site = Site::with_data(SPEC, Pace::default(), |data| fs_err::create_dir(data).unwrap());
    let debian = Debian::new(&site);
    debian.write();
    fs_err::write(site.path("debian.asc"), key(1).armored_keyring().unwrap()).unwrap();
    (site, debian)
}

/// Names and versions in the lock, in its order.
pub fn locked(site: &Site) -> Vec<String> {
    let text = site.lock_text();
    let value = |line: &str, key: &str| {
        line.trim_start_matches("- ").strip_prefix(key).map(|rest| rest.trim_matches('"').to_owned())
    };
    let packages = text.split("  packages:\n  -").nth(1).unwrap_or_default();
    let lines: Vec<&str> = packages.lines().map(str::trim).collect();
    let mut names = lines.iter().filter_map(|line| value(line, "name: "));
    let mut versions = lines.iter().filter_map(|line| value(line, "version: "));
    std::iter::from_fn(|| Some(format!("{} {}", names.next()?, versions.next()?))).collect()
}

#[test]
fn a_target_is_locked_with_what_it_needs_and_nothing_else() {
    let (site, _debian) = site();
    insta::assert_snapshot!(site.lock(&[]));
    let text = site.lock_text();
    insta::assert_snapshot!(masked(&site, &text));
    // Nothing new: only the signed files are asked for again, and nothing at all without --update.
    site.upstream.reset_stats();
    succeeded(site.lock(&[]));
    assert_eq!(site.upstream.stats().total.requests, 0);
    succeeded(site.lock(&["--update"]));
    let stats = site.upstream.stats();
    assert_eq!((stats.matching("InRelease").requests, stats.total.requests), (3, 3), "{stats:?}");
    assert_eq!(site.lock_text(), text);
}

/// The lock without what differs from run to run: times, keys, signatures.
fn masked(site: &Site, text: &str) -> String {
    let output = std::process::Output {
        status: Default::default(),
        stdout: text.as_bytes().to_vec(),
        stderr: Vec::new(),
    };
    let mut in_armor = false;
    let mut lines = Vec::new();
    for line in site.outcome(&output).stdout.lines() {
        in_armor &= !line.contains("-----END");
        let is_time =
            ["created: ", "date: ", "Date: "].into_iter().find(|key| line.trim_start().starts_with(key));
        match is_time {
            _ if in_armor => {}
            Some(key) => {
                lines.push(format!("{}[TIME]", &line[..line.len() - line.trim_start().len() + key.len()]))
            }
            None => lines.push(line.trim_end().to_owned()),
        }
        in_armor |= line.contains("BEGIN PGP PUBLIC") || line.contains("BEGIN PGP SIGNATURE");
    }
    lines.join("\n")
}

#[test]
fn one_lock_gives_one_bundle_that_apt_can_use() {
    let (site, _debian) = site();
    succeeded(site.lock(&[]));
    succeeded(site.run(&["bundle", "build", "--locked", "-o", "first", "--progress", "none"]));
    succeeded(site.run(&[
        "bundle",
        "build",
        "--locked",
        "-o",
        "second",
        "--progress",
        "none",
        "--cache-dir",
        "other",
    ]));
    assert_eq!(site.digests("first"), site.digests("second"));
    site.must_verify("first");
    succeeded(site.run(&[
        "bundle",
        "extract",
        "first",
        "--apt",
        "debian-12",
        "-o",
        "tree",
        "--allow-unsigned",
    ]));
    let names = site.shell("cd tree && find . -type f | sort");
    insta::assert_snapshot!(names);
}

#[test]
fn targets_share_their_packages() {
    let (mut site, _debian) = site();
    let same = SPEC.split_once("    - host: debian-12\n").unwrap().1.to_owned();
    site.edit(
        SPEC,
        &format!("{SPEC}    - host: debian-12\n      name: spare\n      packages: [keepalived]\n{same}"),
    );
    succeeded(site.lock(&[]));
    let plan = succeeded(site.run(&["bundle", "plan", "--json"]));
    let rows: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let row = |name: &str| {
        let rows = rows["artifacts"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{plan}"));
        (row["size"].as_u64().unwrap(), row["toFetch"].as_u64().unwrap())
    };
    let (first, second) = (row("apt debian-12"), row("apt spare"));
    assert!(first.1 > 0 && second.1 > 0 && second.1 < first.1, "{first:?} {second:?}");
}

#[test]
fn an_update_that_changes_no_package_changes_no_byte() {
    let (site, mut debian) = site();
    succeeded(site.lock(&[]));
    let before = site.lock_text();
    debian.security.age = SignedDuration::from_secs(60);
    debian.security.packages.push(control("unrelated 1"));
    debian.security.write();
    succeeded(site.lock(&["--update", "debian-12"]));
    assert_eq!(site.lock_text(), before);
    debian.security.packages[0] = control("libtirpc3 1.3.3+deb12u2; Multi-Arch: same");
    debian.security.write();
    succeeded(site.lock(&[]));
    assert_eq!(site.lock_text(), before, "the lock is kept until it is updated");
    let moved = succeeded(site.lock(&["--update", "debian-12"]));
    assert!(moved.stdout.contains("libtirpc3 1.3.3+deb12u1 -> 1.3.3+deb12u2"), "{moved}");
    let key = |text: &str| text.split("keyring: |").nth(1).unwrap()[..400].to_owned();
    assert_ne!(key(&before), key(&site.lock_text()), "a key is never used twice");
    assert_eq!(site.serial(), 2);
}

#[test]
fn a_lock_that_does_not_answer_the_spec_is_not_enough() {
    let (mut site, _debian) = site();
    succeeded(site.lock(&[]));
    assert_eq!(locked(&site), ["libtirpc3 1.3.3+deb12u1", "nfs-common 1:2.6.2-4", "rpcbind 1.2.6-6"]);
    site.edit("[nfs-common]", "[nfs-common, high-availability^]");
    insta::assert_snapshot!(site.build(&["--locked"]));
    succeeded(site.lock(&[]));
    let names = locked(&site).join(" ");
    assert!(names.starts_with("haproxy 2.6.12-1 keepalived 1:2.2.7-1 "), "{names}");
    site.edit("apt:\n", "apt:\n  recommends: true\n");
    succeeded(site.lock(&[]));
    assert!(locked(&site).contains(&"python3 3.11.2-1".to_owned()));
    site.edit("    - host: debian-12\n", "    - host: debian-12\n      baseline: {status: node.status}\n");
    fs_err::write(site.path("node.status"), status("rpcbind 1.2.6-6")).unwrap();
    succeeded(site.lock(&[]));
    assert!(!locked(&site).contains(&"rpcbind 1.2.6-6".to_owned()));
    site.edit("[nfs-common, high", "[nfs-common, rpcbind, high");
    succeeded(site.lock(&[]));
    assert!(locked(&site).contains(&"rpcbind 1.2.6-6".to_owned()), "what is asked for by name is carried");
    let before = site.lock_text();
    fs_err::write(site.path("node.status"), status("python3 3.11.2-1; Architecture: all")).unwrap();
    succeeded(site.lock(&[]));
    assert_ne!(site.lock_text(), before, "the file that the spec names is a part of what is asked for");
}

/// The status of a node that has one package.
fn status(text: &str) -> String {
    control(text).replacen('\n', "\nStatus: install ok installed\n", 1)
}

#[test]
fn repositories_of_every_form_are_read() {
    for (compression, sums, by_hash, signature, name) in [
        (".xz", Sums::Sha256, true, Signature::Inline, "stable"),
        (".gz", Sums::Sha256, false, Signature::Detached, "stable"),
        (".zst", Sums::Sha256, false, Signature::Inline, "./"),
        ("", Sums::Sha512, false, Signature::Inline, "/"),
        (".xz", Sums::Sha512, false, Signature::Inline, "sub/"),
    ] {
        let (mut site, _debian) = site();
        let tool = control("tool 1.18.0-1; Depends: tool-base (= 1.18.0-1)");
        let packages = [tool.as_str(), &control("tool-base 1.18.0-1"), &control("libc6 9.9-9")];
        let third = Suite {
            compression,
            sums,
            by_hash,
            signature,
            key: 2,
            ..Suite::new(&site.data("files/third"), name, &packages)
        };
        third.write();
        fs_err::write(site.path("third.asc"), key(2).armored_keyring().unwrap()).unwrap();
        let components = if name.ends_with('/') { "" } else { "\n      components: [main]" };
        site.edit(
            "  packages: [nfs-common]\n",
            &format!("  packages: [nfs-common, tool]\n  repositories:\n    - uri: http://{{upstream}}/third\n      suites: [{name}]{components}\n      signedBy: third.asc\n      only: [\"tool*\"]\n"),
        );
        succeeded(site.lock(&[]));
        let names = locked(&site);
        assert!(names.contains(&"tool-base 1.18.0-1".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.starts_with("libc6")), "only what `only` names: {names:?}");
        site.upstream.reset_stats();
        let before = site.lock_text();
        succeeded(site.lock(&["--update"]));
        assert_eq!(site.lock_text(), before);
        let stats = site.upstream.stats();
        let signed = stats.matching("Release").requests;
        assert_eq!(stats.total.requests, signed, "only signed files come again: {stats:?}");
    }
}
