//! Repositories in trouble: exit status, message and help, and the lock of before stays as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;

use super::apt::{Debian, site};
use super::apt_repository::{Signature, Suite, Sums, control, key};
use super::misbehaving::{self, answer};
use super::site::{Site, succeeded};

/// Locks, lets `spoil` do its work, and updates with an empty cache.
fn spoiled(spoil: impl FnOnce(&mut Site, &mut Debian)) -> String {
    let (mut site, mut debian) = site();
    succeeded(site.lock(&[]));
    let before = site.lock_text();
    spoil(&mut site, &mut debian);
    let outcome = site.lock(&["--update", "debian-12", "--cache-dir", "fresh"]);
    assert!(site.lock_text() == before, "a failure changes no lock: {outcome}");
    mask_times(&outcome.to_string())
}

/// Replaces points in time.
fn mask_times(text: &str) -> String {
    let is_time = |word: &str| word.len() >= 20 && word.starts_with("20") && word.as_bytes()[10] == b'T';
    let mask = |word: &str| {
        let bare = word.trim_end_matches([',', ';']);
        if is_time(bare) { word.replace(bare, "[TIME]") } else { word.to_owned() }
    };
    text.split_inclusive([' ', '\n'])
        .map(|word| mask(word.trim_end()) + &word[word.trim_end().len()..])
        .collect()
}

/// Adds wishes to the spec.
fn wish(site: &mut Site, packages: &str) {
    site.edit("[nfs-common]", &format!("[nfs-common, {packages}]"));
}

fn rewrite(path: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs_err::read(path).unwrap();
    change(&mut bytes);
    fs_err::write(path, bytes).unwrap();
}

/// Both places of an index of the base suite.
fn index(debian: &mut Debian, change: fn(&mut Vec<u8>)) {
    debian.base.by_hash = false;
    debian.base.write();
    rewrite(&debian.base.directory().join(debian.base.index()), change);
}

/// A third repository in the spec, with a package `tool`.
fn third(site: &mut Site, change: impl FnOnce(&mut Suite), signed_by: &str) -> Suite {
    let tool = control("tool 1");
    let mut suite = Suite { key: 2, ..Suite::new(&site.data("files/third"), "stable", &[&tool]) };
    change(&mut suite);
    suite.write();
    fs_err::write(site.path("third.asc"), key(2).armored_keyring().unwrap()).unwrap();
    site.edit(
        "  packages: [nfs-common]\n",
        &format!(
            "  packages: [nfs-common, tool]\n  repositories:\n    - uri: http://{{upstream}}/third\n      suites: [stable]\n      components: [main]\n      signedBy: {signed_by}\n"
        ),
    );
    suite
}

fn expired() -> String {
    spoiled(|_, debian| {
        debian.security.valid_for = Some(SignedDuration::from_secs(-60));
        debian.security.write();
    })
}

fn from_the_future() -> String {
    spoiled(|_, debian| {
        debian.base.age = SignedDuration::from_hours(-2);
        debian.base.write();
    })
}

fn older() -> String {
    spoiled(|_, debian| {
        debian.updates.age = SignedDuration::from_hours(24);
        debian.updates.write();
    })
}

fn unknown_key() -> String {
    spoiled(|_, debian| {
        debian.base.key = 9;
        debian.base.write();
    })
}

fn no_longer_signed() -> String {
    spoiled(|_, debian| {
        debian.base.signature = Signature::None;
        debian.base.write();
    })
}

fn never_signed() -> String {
    spoiled(|site, _| drop(third(site, |suite| suite.signature = Signature::None, "third.asc")))
}

fn changed_after_it_was_signed() -> String {
    spoiled(|_, debian| {
        let path = debian.base.directory().join("InRelease");
        let text = fs_err::read_to_string(&path).unwrap();
        fs_err::write(&path, text.replace("Label: Test", "Label: Tset")).unwrap();
    })
}

fn another_suite() -> String {
    spoiled(|_, debian| {
        let old = debian.base.directory().join("InRelease");
        fs_err::copy(old, debian.security.directory().join("InRelease")).unwrap();
    })
}

fn login_page_for_the_release() -> String {
    spoiled(|_, debian| {
        fs_err::write(debian.base.directory().join("InRelease"), "<!doctype html><title>Login</title>")
            .unwrap();
    })
}

/// The spec points to a server that answers with a page for every list.
fn login_page_for_an_index() -> String {
    scripted(|path, bytes| match path.contains("binary-amd64") {
        true => answer("200 OK", &[("Content-Type", "text/html")], b"<html>Login</html>"),
        false => answer("200 OK", &[], &bytes.unwrap_or_default()),
    })
}

/// An archive behind a server that does what it likes with a file.
fn scripted(
    script: impl Fn(&str, Option<Vec<u8>>) -> Vec<misbehaving::Step> + Send + Sync + 'static,
) -> String {
    let mut host = String::new();
    let said = spoiled(|site, _| {
        let files = site.data("files");
        let server = misbehaving::Server::start(move |request, _| {
            let file = fs_err::read(files.join(request.path.trim_start_matches('/'))).ok();
            script(&request.path, file)
        });
        host = server.host();
        site.edit("http://{upstream}/debian\n", &format!("http://{host}/debian\n"));
        site.edit("http://{upstream}/debian-security\n", &format!("http://{host}/debian-security\n"));
    });
    said.replace(&host, "[SERVER]")
}

fn truncated_index() -> String {
    spoiled(|_, debian| index(debian, |bytes| bytes.truncate(100)))
}

fn damaged_index() -> String {
    spoiled(|_, debian| index(debian, |bytes| bytes[100] ^= 1))
}

fn index_gone() -> String {
    spoiled(|_, debian| {
        debian.base.by_hash = false;
        debian.base.write();
        fs_err::remove_file(debian.base.directory().join(debian.base.index())).unwrap();
    })
}

fn no_repository() -> String {
    spoiled(|site, _| site.edit("http://{upstream}/debian\n", "http://{upstream}/debain\n"))
}

fn no_such_component() -> String {
    spoiled(|site, _| site.edit("        signedBy", "        components: [main, non-fre]\n        signedBy"))
}

fn wrong_fingerprint() -> String {
    let wrong = "{path: third.asc, fingerprint: C95B321B61E88C1809C4F759DDCAE044F796ECB0}";
    spoiled(|site, _| drop(third(site, |_| {}, wrong)))
}

fn no_keyring() -> String {
    spoiled(|site, _| fs_err::remove_file(site.path("debian.asc")).unwrap())
}

fn wrong_package_by_sha512() -> String {
    spoiled(|site, _| {
        let suite = third(site, |suite| suite.sums = Sums::Sha512, "third.asc");
        rewrite(&suite.root.join("pool/tool_1_amd64.deb"), |bytes| bytes[100] ^= 1);
    })
}

fn misspelt() -> String {
    spoiled(|site, _| wish(site, "keepalive"))
}

fn unknown_task() -> String {
    spoiled(|site, _| wish(site, "web-sever^"))
}

fn unsatisfiable() -> String {
    spoiled(|site, _| wish(site, "keepalived, varnish"))
}

fn exclude_each_other() -> String {
    spoiled(|site, debian| {
        debian.base.packages.push(control("libvarnish 7.1"));
        debian.base.write();
        wish(site, "varnish, keepalived, haproxy");
    })
}

fn no_such_version() -> String {
    spoiled(|site, _| wish(site, "keepalived=1:2.2.8-1"))
}

fn no_status() -> String {
    let baseline = "    - host: debian-12\n      baseline: {status: node.status}\n";
    spoiled(|site, _| site.edit("    - host: debian-12\n", baseline))
}

fn no_recorded_list() -> String {
    spoiled(|site, _| {
        site.edit("hosts: [debian-12]", "hosts: [debian-12, debian-11]");
        site.edit(
            "    - host: debian-12\n",
            "    - host: debian-11\n      name: debian-12\n      baseline: server\n",
        );
    })
}

fn edited_lock() -> String {
    let (site, _debian) = site();
    succeeded(site.lock(&[]));
    let edited = site.lock_text().replace("Depends: rpcbind, libtirpc3", "Depends: libtirpc3");
    fs_err::write(site.path("bundle.lock"), edited).unwrap();
    site.lock(&[]).to_string()
}

#[test]
fn troubles_are_told_with_their_remedy() {
    type Case = (&'static str, fn() -> String);
    let cases: [Case; 27] = [
        ("an expired Release", expired),
        ("a Release from the future", from_the_future),
        ("a Release older than before", older),
        ("signed by an unknown key", unknown_key),
        ("no longer signed", no_longer_signed),
        ("never signed", never_signed),
        ("changed after it was signed", changed_after_it_was_signed),
        ("another suite in its place", another_suite),
        ("a login page for InRelease", login_page_for_the_release),
        ("a login page for an index", login_page_for_an_index),
        ("a truncated index", truncated_index),
        ("an index of the right length with other bytes", damaged_index),
        ("an index that is not there", index_gone),
        ("no repository at the address", no_repository),
        ("a component it does not have", no_such_component),
        ("another fingerprint than the key has", wrong_fingerprint),
        ("a keyring that is not there", no_keyring),
        ("a package that has another SHA-512", wrong_package_by_sha512),
        ("a misspelt package", misspelt),
        ("an unknown task", unknown_task),
        ("a package whose dependency is missing", unsatisfiable),
        ("packages that exclude each other", exclude_each_other),
        ("a version that is not there", no_such_version),
        ("a status file that is not there", no_status),
        ("a baseline that was never recorded", no_recorded_list),
        ("a lock that somebody edited", edited_lock),
        ("an --update of nothing that is known", spoiled_name),
    ];
    let said: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(_, case)| scope.spawn(case)).collect();
        running.into_iter().map(|case| case.join().unwrap()).collect()
    });
    let gallery: String =
        cases.iter().zip(said).map(|((what, _), said)| format!("== {what}\n{said}")).collect();
    insta::assert_snapshot!(gallery);
}

fn spoiled_name() -> String {
    let (site, _debian) = site();
    succeeded(site.lock(&[]));
    site.lock(&["--update", "debian-13"]).to_string()
}

#[test]
fn an_expired_release_is_used_where_the_spec_says_so() {
    let (mut site, mut debian) = site();
    debian.security.valid_for = Some(SignedDuration::from_secs(-60));
    debian.security.write();
    assert_eq!(site.lock(&[]).exit, Some(6));
    site.edit("        signedBy", "        allowExpired: true\n        signedBy");
    let outcome = succeeded(site.lock(&[]));
    assert!(outcome.stderr.contains("`allowExpired` in bundle.yaml says to use it"), "{outcome}");
}

/// The mirror has changed between `InRelease` and the list: the list of before is gone, the next attempt fits.
#[test]
fn a_mirror_that_changes_in_the_middle_is_read_again() {
    let (mut site, mut debian) = site();
    debian.base.by_hash = false;
    debian.base.write();
    let old = fs_err::read(debian.base.directory().join("InRelease")).unwrap();
    debian.base.packages.push(control("newer 1"));
    debian.base.age = SignedDuration::from_secs(60);
    debian.base.write();
    let files = site.data("files");
    let stale = Arc::new(AtomicBool::new(true));
    let server = misbehaving::Server::start(move |request, _| {
        let path = request.path.trim_start_matches('/');
        if path == "debian/dists/bookworm/InRelease" && stale.swap(false, Ordering::SeqCst) {
            return answer("200 OK", &[], &old);
        }
        match fs_err::read(files.join(path)) {
            Ok(bytes) => answer("200 OK", &[], &bytes),
            Err(_) => answer("404 Not Found", &[], b"no"),
        }
    });
    site.edit("http://{upstream}/debian\n", &format!("http://{}/debian\n", server.host()));
    site.edit("[nfs-common]", "[nfs-common, newer]");
    succeeded(site.lock(&[]));
    assert!(site.lock_text().contains("Package: newer"));
}
