//! Bad sections `apt` and `nvidia`: as in `rejected.rs`, with `▶` before the place of each problem.

use crate::rejected::{Case, check, marked};

/// A section `apt` for Debian 12 in whose one target `inside` stands.
fn target(name: &'static str, inside: &str, code: &'static str, message: &'static str) -> Case {
    let text = format!(
        "hosts: [debian-12]\napt:\n  packages: [curl]\n  targets:\n  - host: debian-12\n    {inside}\n"
    );
    marked(name, &text, code, message)
}

/// A section `apt` in which `inside` stands beside a good target.
fn common(name: &'static str, inside: &str, code: &'static str, message: &'static str) -> Case {
    let text = format!("hosts: [debian-12]\napt:\n  targets: [{{host: debian-12}}]\n  {inside}\n");
    marked(name, &text, code, message)
}

/// A list of packages.
fn packages(name: &'static str, list: &str, code: &'static str, message: &'static str) -> Case {
    common(name, &format!("packages: [{list}]"), code, message)
}

/// One repository, flat unless it says otherwise.
fn repository(name: &'static str, keys: &str, code: &'static str, message: &'static str) -> Case {
    common(name, &format!("packages: [jq]\n  repositories:\n  - {keys}"), code, message)
}

/// The keys of a repository.
fn signed_by(name: &'static str, value: &str, code: &'static str, message: &'static str) -> Case {
    let keys = format!("uri: https://example.com/deb\n    suites: [\"/\"]\n    signedBy: {value}");
    repository(name, &keys, code, message)
}

/// A section `nvidia` for Ubuntu 24.04 with NVIDIA's repository.
fn nvidia(name: &'static str, section: &str, code: &'static str, message: &'static str) -> Case {
    let text = format!(
        "hosts: [ubuntu-24.04]
apt:
  repositories: [{{uri: https://example.com/deb, suites: [/], signedBy: nvidia.asc}}]
  targets: [{{host: ubuntu-24.04, archive: {{components: [main, restricted]}}}}]
nvidia:
  {section}
"
    );
    marked(name, &text, code, message)
}

#[test]
fn sections() {
    let report = check(&[
        marked("no targets", "apt:\n  ▶packages: [jq]\n", "E0106", "no targets"),
        marked("empty targets", "apt:\n  targets: ▶[]\n", "E0106", "no targets"),
        marked(
            "no packages",
            "hosts: [debian-12]\napt:\n  targets:\n  - ▶host: debian-12\n",
            "E0106",
            "no packages",
        ),
        marked("unknown key", "apt:\n  ▶package: [jq]\n", "E0102", "`package`"),
        marked(
            "nothing for nvidia",
            "nvidia:\n  ▶install: false\n  containerToolkit: false\n",
            "E0106",
            "neither",
        ),
        marked("nvidia without apt", "nvidia:\n  ▶install: false\n", "E0106", "`apt` has no targets"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn wishes() {
    let report = check(&[
        packages("capitals", "▶Curl", "E0852", "lower case"),
        packages("two in one", "▶curl jq", "E0852", "white space"),
        packages("file", "▶./curl.deb", "E0852", "file"),
        packages("pattern", "▶\"lib*\"", "E0852", "patterns"),
        packages("removal", "▶curl-", "E0852", "ends in `-`"),
        packages("no version", "▶curl=", "E0852", "does not name a package"),
        packages("pattern of versions", "▶curl=7.*", "E0852", "pattern"),
        packages("version after a colon", "▶\"curl:7.88\"", "E0852", "architecture"),
        packages("number", "▶1.5", "E0104", "number"),
        packages("twice", "curl, jq, ▶curl", "E0105", "listed twice"),
        target("twice with that for all", "packages: [▶curl]", "E0105", "also on line 8"),
        packages("no groups", "▶\"@ha\"", "E0105", "no group"),
        common(
            "unknown group",
            "groups: {ha: [keepalived]}\n  packages: [▶\"@hq\"]",
            "E0105",
            "no group `hq`",
        ),
        common(
            "group in a group",
            "packages: [jq]\n  groups: {ha: [jq], all: [▶\"@ha\"]}",
            "E0105",
            "within a group",
        ),
        common("empty group", "packages: [\"@ha\"]\n  groups: {ha: ▶[]}", "E0106", "is empty"),
        common(
            "name of a group",
            "packages: [jq]\n  groups: {▶High Availability: [jq]}",
            "E0105",
            "cannot be called",
        ),
        common("version on hold", "packages: [jq]\n  hold: [▶jq=1.6]", "E0852", "more than"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn pins() {
    let pin = |name, keys: &str, code, message| {
        common(name, &format!("packages: [jq]\n  pins:\n  - {keys}"), code, message)
    };
    let report = check(&[
        pin("nothing", "▶packages: [jq]\n    priority: 1", "E0106", "which versions"),
        pin("no packages", "▶version: 1.2.3\n    priority: 1", "E0106", "which packages"),
        pin("empty packages", "{packages: ▶[], version: 1.2.3, priority: 1}", "E0106", "is empty"),
        pin("no priority", "▶packages: [jq]\n    version: 1.2.3", "E0106", "no priority"),
        pin("priority of nothing", "{packages: [jq], version: 1.2.3, priority: ▶0}", "E0105", "`0`"),
        pin("priority in words", "{packages: [jq], version: 1.2.3, priority: ▶high}", "E0105", "`high`"),
        pin(
            "two kinds",
            "{packages: [jq], version: 1.2.3, site: ▶example.com, priority: 1}",
            "E0105",
            "more than one",
        ),
        pin("empty release", "{packages: [jq], release: ▶{}, priority: 1}", "E0106", "nothing to match"),
        pin(
            "URL as site",
            "{packages: [jq], site: ▶https://example.com/deb, priority: 1}",
            "E0105",
            "host name",
        ),
        pin(
            "everything and more",
            "{packages: ▶[jq, \"*\"], version: 1.2.3, priority: 1}",
            "E0105",
            "every package",
        ),
        pin("regular expression", "{packages: [▶/^jq/], version: 1.2.3, priority: 1}", "E0105", "pattern"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn repositories() {
    let report = check(&[
        repository("no address", "▶suites: [\"/\"]\n    signedBy: a.asc", "E0106", "`uri`"),
        repository("no suites", "▶uri: https://example.com\n    signedBy: a.asc", "E0106", "`suites`"),
        repository("no keys", "▶uri: https://example.com\n    suites: [\"/\"]", "E0106", "`signedBy`"),
        repository(
            "foreign scheme",
            "{uri: ▶file:/srv/deb, suites: [\"/\"], signedBy: a.asc}",
            "E0105",
            "http",
        ),
        repository(
            "variable",
            "{uri: ▶https://example.com/$(RELEASE), suites: [/], signedBy: a.asc}",
            "E0105",
            "variable",
        ),
        repository(
            "flat with components",
            "{uri: https://example.com, suites: [/], components: ▶[main], signedBy: a}",
            "E0105",
            "flat",
        ),
        repository(
            "no components",
            "▶{uri: https://example.com, suites: [bookworm], signedBy: a}",
            "E0106",
            "`components`",
        ),
        repository(
            "flat and not",
            "{uri: https://example.com, suites: ▶[bookworm, /], signedBy: a}",
            "E0105",
            "beside others",
        ),
        repository(
            "above the root",
            "{uri: https://example.com, suites: [▶../x/], signedBy: a}",
            "E0105",
            "not a suite",
        ),
        repository(
            "suite twice",
            "{uri: https://example.com, suites: [a/, ▶a/], signedBy: a}",
            "E0105",
            "stands twice",
        ),
        repository(
            "empty filter",
            "{uri: https://example.com, suites: [/], signedBy: a, only: ▶[]}",
            "E0106",
            "`only`",
        ),
        target("security alone", "archive: {securityUri: ▶https://example.com}", "E0106", "without `uri`"),
        target("flat archive", "archive: {suites: [▶bookworm/]}", "E0105", "not flat"),
        target("no components of the archive", "archive: {components: ▶[]}", "E0106", "is empty"),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn keys_of_repositories() {
    let private = "|\n      ▶-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n      lQVYhunter2\n      =abcd\n      -----END PGP PRIVATE KEY BLOCK-----";
    let report = check(&[
        signed_by("URL alone", "▶https://example.com/key.asc", "E0105", "which key"),
        signed_by(
            "fingerprint alone",
            "▶C95B321B61E88C1809C4F759DDCAE044F796ECB0",
            "E0105",
            "where the key is",
        ),
        signed_by("URL without fingerprint", "{url: ▶https://example.com/key.asc}", "E0106", "vouches"),
        signed_by("short fingerprint", "{path: a.asc, fingerprint: ▶F796ECB0}", "E0810", "no fingerprint"),
        signed_by("no fingerprints", "{path: a.asc, fingerprint: ▶[]}", "E0106", "is empty"),
        signed_by("number", "{path: a.asc, fingerprint: ▶12345}", "E0104", "fingerprint"),
        signed_by("neither", "▶{fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0}", "E0106", "neither"),
        signed_by(
            "both",
            "{path: a.asc, url: ▶https://example.com/a, fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0}",
            "E0105",
            "both",
        ),
        signed_by("list", "▶[a.asc]", "E0104", "must be a path"),
        signed_by(
            "damaged key",
            "|\n      ▶-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n      mDME\n      -----END PGP PUBLIC KEY BLOCK-----",
            "E0810",
            "no key",
        ),
        signed_by("private key", private, "E0105", "private key"),
        packages(
            "private key as a package",
            "▶\"-----BEGIN PGP PRIVATE KEY BLOCK-----\\n\\nlQVYhunter2\"",
            "E0105",
            "private key",
        ),
    ]);
    assert!(!report.contains("lQVY") && !report.contains("hunter2") && !report.contains("=abcd"));
    insta::assert_snapshot!(report);
}

#[test]
fn targets() {
    let alone = |name, target: &str, code, message| {
        marked(name, &format!("apt:\n  packages: [jq]\n  targets: [{target}]\n"), code, message)
    };
    let hosts = |name, target: &str, code, message| {
        let text =
            format!("hosts: [debian-12, ubuntu-20.04]\napt:\n  packages: [jq]\n  targets: [{target}]\n");
        marked(name, &text, code, message)
    };
    let report = check(&[
        alone("no hosts", "{host: ▶debian-12}", "E0105", "not among `hosts`"),
        hosts("other host", "{host: ▶debian-13}", "E0105", "not among `hosts`"),
        hosts("no host", "▶{name: a}", "E0106", "which distribution"),
        hosts("misspelt host", "{host: ▶debian12}", "E0105", "not supported"),
        hosts("apt 2.0", "{host: ▶ubuntu-20.04}", "E0105", "cannot be chosen"),
        hosts(
            "foreign platform",
            "{host: debian-12, platform: ▶linux/arm64}",
            "E0105",
            "not a platform of the bundle",
        ),
        hosts(
            "same name",
            "{host: debian-12}, ▶{host: debian-12}",
            "E0105",
            "two targets are called `debian-12-amd64`",
        ),
        hosts(
            "same typed name",
            "{host: debian-12, name: a}, {host: debian-12, name: ▶a}",
            "E0105",
            "two targets",
        ),
        hosts("slash in name", "{host: debian-12, name: ▶a/b}", "E0105", "only a-z"),
        hosts("unknown baseline", "{host: debian-12, baseline: ▶sever}", "E0105", "`sever`"),
        hosts(
            "path as baseline",
            "{host: debian-12, baseline: ▶nodes/gpu1.status}",
            "E0105",
            "`nodes/gpu1.status`",
        ),
        hosts("baseline of nothing", "{host: debian-12, baseline: ▶{}}", "E0106", "`status`"),
        hosts("number as baseline", "{host: debian-12, baseline: ▶12}", "E0104", "`essential`"),
    ]);
    insta::assert_snapshot!(report);

    let two = "hosts: [debian-12]\napt:\n  packages: [jq]\n  targets: [▶{host: debian-12}]\n";
    let mut case = marked("two platforms", two, "E0106", "which platform");
    case.text = case.text.replace("[linux/amd64]", "[linux/amd64, linux/arm64]");
    insta::assert_snapshot!("target_without_platform", check(&[case]));
}

#[test]
fn nvidia_sections() {
    let report = check(&[
        nvidia("unknown target", "driver: {branch: 580}\n  targets: [▶ubuntu-2404]", "E0105", "no target"),
        nvidia("no target", "driver: {branch: 580}\n  targets: ▶[]", "E0106", "is empty"),
        nvidia("driver not wanted", "install: false\n  driver: ▶{branch: 580}", "E0105", "`install: false`"),
        nvidia(
            "Fabric Manager without driver",
            "install: false\n  fabricManager: ▶true",
            "E0105",
            "exact version",
        ),
        nvidia(
            "toolkit as a number",
            "install: false\n  containerToolkit: ▶1.18",
            "E0104",
            "`true`, `false` or a text",
        ),
        nvidia("toolkit as a tag", "install: false\n  containerToolkit: ▶v1.18.0", "E0105", "not a version"),
        nvidia("device plugin without name", "install: false\n  devicePlugin: ▶true", "E0105", "which image"),
        nvidia(
            "device plugin without tag",
            "install: false\n  devicePlugin: ▶nvcr.io/nvidia/k8s-device-plugin",
            "E0110",
            "neither tag",
        ),
        nvidia(
            "device plugin twice",
            "install: false\n  devicePlugin: ▶nvcr.io/nvidia/p:1\nimages: [\"nvcr.io/nvidia/p:1\"]",
            "E0105",
            "listed twice",
        ),
        marked(
            "no repository for the toolkit",
            "hosts: [debian-12]\napt: {targets: [{host: debian-12}]}\nnvidia: ▶{install: false}\n",
            "E0106",
            "container toolkit",
        ),
        marked(
            "no component for the driver",
            "hosts: [debian-12]\napt: {targets: [{host: debian-12}]}\nnvidia: ▶{}\n",
            "E0106",
            "non-free",
        ),
        marked(
            "no repository for CUDA",
            "hosts: [debian-12]\napt: {targets: [{host: debian-12}]}\nnvidia: {driver: ▶{from: cuda, branch: 580}}\n",
            "E0106",
            "has no repository",
        ),
    ]);
    insta::assert_snapshot!(report);
}

#[test]
fn drivers() {
    let driver = |name, keys: &str, code, message| nvidia(name, &format!("driver: {keys}"), code, message);
    let run_file = |name, keys: &str, code, message| {
        nvidia(name, &format!("driver:\n    from: run-file\n    {keys}"), code, message)
    };
    let two = "hosts: [debian-12]
apt:
  repositories: [{uri: https://example.com/deb, suites: [/], signedBy: nvidia.asc}]
  targets: [{host: debian-12, platform: linux/amd64}, {host: debian-12, platform: linux/arm64}]
nvidia:
  driver: {from: run-file, version: 580.126.20, ";
    let both = |name, keys: &str, message| {
        let mut case = marked(name, &format!("{two}{keys}}}\n"), "E0105", message);
        case.text = case.text.replace("[linux/amd64]", "[linux/amd64, linux/arm64]");
        case
    };
    let report = check(&[
        driver("no branch", "▶{flavour: open}", "E0106", "which driver"),
        driver("unknown place", "{from: ▶run_file}", "E0105", "`run_file`"),
        driver("unknown flavour", "{branch: 580, flavour: ▶closed}", "E0105", "`closed`"),
        driver("version as branch", "{branch: ▶580.126.20}", "E0105", "not a branch"),
        driver("name as branch", "{branch: ▶latest}", "E0105", "not a branch"),
        driver("branch as version", "{version: ▶\"580\"}", "E0105", "not a version"),
        driver("revision", "{version: ▶580.126.20-1}", "E0105", "not a version"),
        driver(
            "branch of another version",
            "{branch: ▶570, version: 580.126.20}",
            "E0105",
            "not of branch 570",
        ),
        driver("kernel", "{branch: 580, kernels: [▶generic]}", "E0105", "kernel"),
        driver(
            "kernel twice",
            "{branch: 580, kernels: [6.8.0-60-generic, ▶6.8.0-60-generic]}",
            "E0105",
            "twice",
        ),
        driver("URL of nothing", "{branch: 580, url: ▶https://example.com/x.run}", "E0105", "run-file"),
        driver("no version", "▶{from: run-file, branch: 580}", "E0106", "which version"),
        run_file(
            "another version",
            "version: ▶580.126.20\n    url: https://example.com/NVIDIA-Linux-x86_64-580.65.6.run",
            "E0105",
            "that of 580.65.6",
        ),
        run_file(
            "another machine",
            "url: ▶https://example.com/NVIDIA-Linux-aarch64-580.65.6.run",
            "E0105",
            "`aarch64`",
        ),
        run_file("short checksum", "version: 580.126.20\n    sha256: ▶abc", "E0111", "SHA-256"),
        both(
            "one checksum",
            "sha256: ▶e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "one checksum",
        ),
        both("one URL", "url: ▶https://example.com/NVIDIA-Linux-x86_64-580.126.20.run", "one URL"),
    ]);
    insta::assert_snapshot!(report);
}
