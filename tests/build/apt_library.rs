//! Resolving by the library, for what the command line takes from the machine: its own list of sources and keyrings;
//! and loading again what a lock pins.

use std::path::Path;

use airlock::debian::universe::Universe;
use airlock::error::{Result, codes};
use airlock::fetch::{Client, Settings};
use airlock::lock::apt::Apt;
use airlock::progress::Silent;
use airlock::source::apt::{self, Bench, Indices, Machine};
use airlock::source::gather::{Gatherer, Limits};
use airlock::spec::apt::{Archive, Target};
use airlock::store::cache::Cache;

use super::apt::{Debian, site};
use super::apt_repository::key;
use super::site::Site;

/// Runs `work` with a bench whose cache is `cache` in the home of `site`.
fn with_bench<T>(site: &Site, machine: &Machine, cache: &str, work: impl AsyncFnOnce(Bench<'_>) -> T) -> T {
    let cache = Cache::open(&site.path(cache)).unwrap();
    let silent = std::sync::Arc::new(Silent);
    let gatherer = Gatherer::new(Client::new(Settings::default()), cache, Limits::default(), silent);
    let directory = site.path("");
    let now = jiff::Timestamp::now();
    let bench =
        Bench { gatherer: &gatherer, machine, directory: &directory, now, date: now, progress: &Silent };
    tokio::runtime::Runtime::new().unwrap().block_on(work(bench))
}

/// The machine has the archive of the site in its list of sources.
fn machine(site: &Site, options: &str) -> Machine {
    let address = site.address();
    let list = format!(
        "deb {options} http://{address}/debian bookworm main\ndeb {options} http://{address}/debian bookworm-updates main\n\
         deb {options} http://{address}/debian-security bookworm-security main\n"
    );
    Machine { sources: vec![("sources.list".into(), list)], keyring_directories: vec![site.path("keyrings")] }
}

/// The target of the spec, with the archive left to the machine.
fn target(site: &Site) -> Target {
    let text = fs_err::read(site.path("bundle.yaml")).unwrap();
    let spec = airlock::spec::parse(&text, "bundle.yaml", Path::new("/")).unwrap();
    Target { archive: Archive::default(), ..spec.apt[0].clone() }
}

fn resolved(site: &Site, machine: &Machine, cache: &str) -> Result<Apt> {
    let target = target(site);
    with_bench(site, machine, cache, async |bench| {
        apt::resolve(&bench, &target, None, None).await.map(|opened| opened.locked)
    })
}

#[test]
fn the_archive_and_its_keys_are_those_of_the_machine() {
    let (site, _debian) = site();
    let keyring = site.path("debian.asc");
    let locked =
        resolved(&site, &machine(&site, &format!("[signed-by={}]", keyring.display())), "a").unwrap();
    let names: Vec<&str> = locked.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["libtirpc3", "nfs-common", "rpcbind"]);
    let without = machine(&site, "");
    assert_eq!(resolved(&site, &without, "b").unwrap_err().code(), codes::APT_KEYS_UNKNOWN);
    fs_err::create_dir(site.path("keyrings")).unwrap();
    fs_err::write(site.path("keyrings/debian-archive-keyring.gpg"), key(1).keyring().unwrap()).unwrap();
    assert_eq!(resolved(&site, &without, "c").unwrap().packages, locked.packages);
    let nothing = Machine { sources: Vec::new(), ..without };
    let error = resolved(&site, &nothing, "d").unwrap_err();
    assert_eq!(error.code(), codes::APT_ARCHIVE_UNKNOWN);
    assert!(error.help().unwrap().contains("archive: {uri: "), "{error:?}");
    let pinned = format!("[signed-by={}]", "C95B321B61E88C1809C4F759DDCAE044F796ECB0");
    assert_eq!(resolved(&site, &machine(&site, &pinned), "e").unwrap_err().code(), codes::DEBIAN_KEYRING);
}

/// Names of the baseline with their URLs, as they are found from a lock alone.
fn baseline(site: &Site, machine: &Machine, cache: &str, locked: &Apt) -> Result<Vec<String>> {
    let target = target(site);
    with_bench(site, machine, cache, async |bench| {
        let indices = Indices::load(&bench, &target, locked).await?;
        apt::with_baseline(&bench, &target, &indices, |universe: &Universe<'_>| {
            let stanzas = universe.baseline().iter().map(|version| universe.stanza(*version));
            Ok(stanzas.map(|package| indices.url(package).unwrap()).collect())
        })
    })
}

#[test]
fn what_a_lock_pins_is_loaded_again() {
    let (site, mut debian): (Site, Debian) = site();
    fs_err::create_dir(site.path("keyrings")).unwrap();
    fs_err::write(site.path("keyrings/debian-archive-keyring.gpg"), key(1).keyring().unwrap()).unwrap();
    let machine = machine(&site, "");
    let locked = resolved(&site, &machine, "cache").unwrap();
    let before = baseline(&site, &machine, "cache", &locked).unwrap();
    assert_eq!(before.len(), locked.baseline.packages);
    assert!(before[0].ends_with("_amd64.deb"), "{before:?}");
    // The mirror moves on; under its digest the old list is still there, and in the cache anyway.
    debian.base.packages.clear();
    debian.base.write();
    for cache in ["cache", "fresh"] {
        assert_eq!(baseline(&site, &machine, cache, &locked).unwrap(), before, "{cache}");
    }
    fs_err::remove_dir_all(debian.base.directory().join("main/binary-amd64/by-hash")).unwrap();
    assert_eq!(baseline(&site, &machine, "cache", &locked).unwrap(), before);
    let error = baseline(&site, &machine, "another", &locked).unwrap_err();
    assert!([codes::APT_INDEX_LENGTH, codes::APT_INDEX_MISMATCH].contains(&error.code()), "{error:?}");
    assert!(error.help().unwrap().contains("--update debian-12"));
}

/// Another version of the compressor makes other bytes of the same list: that is no reason to move packages.
#[test]
fn a_list_that_is_packed_otherwise_is_signed_anew() {
    let (site, _debian) = site();
    let keyring = site.path("debian.asc");
    let machine = machine(&site, &format!("[signed-by={}]", keyring.display()));
    let first = resolved(&site, &machine, "cache").unwrap();
    let text = airlock::debian::openpgp::split(first.in_release.as_bytes(), "InRelease").unwrap().text;
    let mut lines: Vec<String> = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
    let packed = lines.iter_mut().find(|line| line.ends_with(" Packages.xz")).unwrap();
    packed.replace_range(1..65, &"0".repeat(64));
    let (in_release, keyring) =
        (key(5).sign_inline(&(lines.join("\n") + "\n")).unwrap(), key(5).armored_keyring().unwrap());
    let other = Apt { in_release, keyring, ..first.clone() };
    let target = target(&site);
    let open = |locked: &Apt| {
        let opened =
            with_bench(&site, &machine, "cache", async |bench| apt::open(&bench, &target, None, locked));
        opened.unwrap().unwrap().locked
    };
    assert_eq!(open(&first), first);
    let anew = open(&other);
    assert_ne!((&anew.in_release, &anew.keyring), (&other.in_release, &other.keyring));
    assert_eq!(open(&anew), anew, "the new signature is for these bytes");
    assert_eq!(Apt { in_release: first.in_release.clone(), keyring: first.keyring.clone(), ..anew }, first);
}

/// The real archive, by whatever mirror this machine has, for its release and for another one.
#[test]
fn debian_is_locked_from_the_mirror_of_this_machine() {
    let spec = "hosts: [debian-12, debian-13]\napt:\n  packages: [nfs-common, keepalived]\n  targets: [{host: debian-12}, {host: debian-13}]\n";
    let mut site = Site::with_data("", Default::default(), |data| fs_err::create_dir(data).unwrap());
    site.spec(spec);
    let outcome = site.lock(&[]);
    // Not a Debian machine, no keys, no way to the mirror, a mirror in trouble: nothing of that is ours.
    if outcome.exit != Some(0) {
        let ours = ["E0001", "E0855", "E0857", "E0853"].iter().any(|code| outcome.stderr.contains(code));
        assert!(!ours, "{outcome}");
        eprintln!(
            "SKIPPED: the archive of Debian cannot be had here: {}",
            outcome.stderr.lines().next().unwrap_or_default()
        );
        return;
    }
    let text = site.lock_text();
    let lock = airlock::lock::file::parse(&text, "bundle.lock").unwrap();
    for target in &lock.apt {
        let has = |name: &str| target.packages.iter().any(|package| package.name == name);
        assert!(has("nfs-common") && has("keepalived") && has("rpcbind"), "{}", target.name);
        assert!(target.baseline.packages > 60, "{:?}", target.baseline);
        assert_eq!(target.repositories.len(), 3);
    }
    assert_eq!(airlock::lock::file::render(&lock).unwrap(), text, "real stanzas come back byte for byte");
}
