//! Packages of indices and of dpkg's status.

use super::*;
use crate::error::codes;
use crate::oci::digest::Digest;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A stanza of an index with `extra` lines.
fn described(extra: &str) -> String {
    format!(
        "Package: nginx\nVersion: 1.22.1-9+b1\nArchitecture: amd64\n{extra}Filename: pool/n/nginx_1.deb\nSize: 42\nSHA256: {DIGEST}\n"
    )
}

fn only(text: &str) -> Package<'_> {
    let mut packages = parse_index(text.as_bytes()).unwrap();
    assert!(packages.unusable.is_empty(), "{:?}", packages.unusable);
    packages.usable.pop().unwrap()
}

#[test]
fn a_package_of_an_index_is_read() {
    let text = described(
        "Source: nginx-source (1.22.1-9)\nMulti-Arch: foreign\nEssential: yes\nPROTECTED: yes\nPriority: required\n\
         Section: httpd\nInstalled-Size: 1500\nPhased-Update-Percentage: 30\nPre-Depends: dpkg (>= 1.19)\n\
         Depends: libc6,\n zlib1g | zlib\nProvides: httpd, nginx-abi (= 1)\nDescription: web\n server\n",
    );
    let package = only(&text);
    assert_eq!(
        (package.name, package.version.as_str(), package.architecture),
        ("nginx", "1.22.1-9+b1", "amd64")
    );
    assert_eq!((package.source, package.source_version.as_str()), ("nginx-source", "1.22.1-9"));
    assert_eq!((package.multi_arch, package.priority), (MultiArch::Foreign, Some(Priority::Required)));
    assert!(package.essential && package.protected && !package.important);
    assert_eq!(
        (package.section, package.installed_size, package.phased_update_percentage),
        ("httpd", Some(1500), Some(30))
    );
    assert_eq!(package.relations(Relationship::Depends).unwrap().len(), 2);
    assert_eq!(package.relation_text(Relationship::PreDepends), "dpkg (>= 1.19)");
    assert_eq!(package.relation_text(Relationship::Conflicts), "");
    assert_eq!(package.provides().unwrap().len(), 2);
    let archive = package.archive.unwrap();
    assert_eq!(
        (archive.filename, archive.size, archive.sha256),
        ("pool/n/nginx_1.deb", 42, Some(Digest::of(b"")))
    );
    assert_eq!(package.stanza.text(), text.as_bytes());
}

#[test]
fn the_source_is_the_package_itself_unless_said() {
    let text = described("");
    assert_eq!((only(&text).source, only(&text).source_version.as_str()), ("nginx", "1.22.1-9+b1"));
    let text = described("Source: other\n");
    assert_eq!((only(&text).source, only(&text).source_version.as_str()), ("other", "1.22.1-9+b1"));
    let text = described("Description: caf\u{e9}\n");
    assert_eq!(only(&text).priority, None);
}

#[test]
fn of_a_field_that_is_there_twice_the_last_counts_as_in_apt() {
    let text = described("Depends: first\nSection: a\nDepends: second\n");
    assert_eq!(only(&text).relation_text(Relationship::Depends), "second");
    assert_eq!(only(&text).stanza.field("depends").unwrap(), Some(&b"second"[..]));
}

#[test]
fn a_package_with_sha512_alone_is_usable() {
    let sha512 = "a".repeat(128);
    let text = described("").replace("SHA256", "SHA512").replace(DIGEST, &sha512);
    let archive = only(&text).archive.unwrap();
    assert_eq!((archive.sha256, archive.sha512), (None, Some(sha512.as_str())));
}

#[test]
fn one_bad_package_does_not_spoil_the_others() {
    let good = described("");
    let broken = [
        good.replace("Package: nginx\n", ""),
        good.replace("nginx\n", "../nginx\n"),
        good.replace("1.22.1-9+b1", "1.22.1_9"),
        good.replace("Version: 1.22.1-9+b1\n", ""),
        good.replace("amd64", "amd 64"),
        good.replace("pool/", "/pool/"),
        good.replace("pool/", "pool/../../"),
        good.replace("pool/", "https://example.com/pool/"),
        good.replace("Size: 42", "Size: -1"),
        good.replace(DIGEST, &DIGEST.to_uppercase()),
        good.replace("SHA256", "SHA1"),
        described("Multi-Arch: maybe\n"),
        described("Phased-Update-Percentage: 101\n"),
        described("Source: a (1\n"),
    ];
    let text = [broken.join("\n"), good].join("\n");
    let packages = parse_index(text.as_bytes()).unwrap();
    assert_eq!(packages.usable.len(), 1);
    assert_eq!(packages.unusable.len(), broken.len());
    for error in packages.unusable {
        assert_eq!(error.code(), codes::DEBIAN_PACKAGE);
        assert!(error.help().is_some());
    }
}

#[test]
fn a_web_page_is_no_index() {
    let error = parse_index(b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n").unwrap_err();
    assert_eq!(error.code(), codes::DEBIAN_CONTROL);
}

#[test]
fn broken_relations_name_their_package() {
    let text = described("Depends: a (>=\n");
    let error = only(&text).relations(Relationship::Depends).unwrap_err();
    assert!(error.details()[0].contains("nginx 1.22.1-9+b1 (amd64)"), "{:?}", error.details());
}

#[test]
fn the_status_of_dpkg_is_read() {
    let stanza = |name: &str, status: &str| {
        format!(
            "Package: {name}\nStatus: {status}\nArchitecture: amd64\nVersion: 1\nConffiles:\n /etc/x 123\n\n"
        )
    };
    let text = [
        stanza("held", "hold ok installed"),
        stanza("gone", "deinstall ok config-files"),
        "Package: never\nStatus: unknown ok not-installed\n\n".to_owned(),
        stanza("broken", "install reinstreq half-installed"),
    ]
    .concat();
    let packages = parse_status(text.as_bytes()).unwrap();
    let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
    assert_eq!(names, ["held", "broken"]);
    assert_eq!(
        packages[0].status,
        Some(Status { want: Want::Hold, flag: Flag::Ok, state: State::Installed })
    );
    assert_eq!(packages[1].status.unwrap().flag, Flag::ReinstallRequired);
    assert!(packages[0].archive.is_none());
}

#[test]
fn a_status_without_sense_is_refused() {
    for status in ["", "install ok", "install ok installed now", "maybe ok installed", "install ok broken"] {
        let text = format!("Package: a\nStatus: {status}\nArchitecture: amd64\nVersion: 1\n");
        let error = parse_status(text.as_bytes()).expect_err(status);
        assert_eq!(error.code(), codes::DEBIAN_PACKAGE);
    }
}

#[test]
fn an_index_for_several_threads_keeps_its_order() {
    let count = 2 * LEAST_FOR_A_THREAD / described("").len() + 1000;
    let text: String =
        (0..count).map(|number| described("").replace("nginx", &format!("p{number}")) + "\n").collect();
    let broken = text
        .replace("Package: p7\n", "Package: -\n")
        .replace(&format!("Package: p{}\n", count - 1), "Package: -\n");
    let packages = parse_index(broken.as_bytes()).unwrap();
    assert_eq!(packages.unusable.len(), 2);
    let names: Vec<&str> = packages.usable.iter().map(|package| package.name).collect();
    let expected: Vec<String> =
        (0..count - 1).filter(|number| *number != 7).map(|number| format!("p{number}")).collect();
    assert_eq!(names, expected);
    let last = packages.usable[count - 3].stanza;
    assert_eq!(&broken.as_bytes()[last.offset()..][..last.text().len()], last.text());
    let damaged = text + "<html>\n";
    assert_eq!(parse_index(damaged.as_bytes()).unwrap_err().code(), codes::DEBIAN_CONTROL);
}
