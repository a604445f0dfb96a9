//! Tests of lists of sources: the forms of sources.list(5), and the files of the machine that runs them.
#![allow(clippy::print_stderr, reason = "a skipped test must be heard of")]

use proptest::prelude::*;

use super::*;

const STANZAS: &str = "\
# The archive
Types: deb deb-src
URIs: https://example.com/debian
Suites: bookworm bookworm-updates
Components: main contrib non-free non-free-firmware

# Types: deb

Types: deb
# in the middle
URIs: https://example.com/debian-security
  https://example.org/debian-security
suites: bookworm-security
Components: main
Architectures: amd64
Architectures-Remove: i386
Signed-By: /usr/share/keyrings/a.gpg 0123456789ABCDEF0123456789abcdef01234567!
Check-Valid-Until: no
Enabled: No

Types: deb-src
URIs: https://example.com/sources
Suites: ./
";

const LINES: &str = "\
# deb https://example.com/commented bookworm main
deb https://example.com/debian bookworm main contrib # the archive
deb-src https://example.com/debian bookworm main

deb\t[ arch=amd64,arm64 arch-=i386 signed-by=/a.gpg,/b.gpg lang+=de ] https://example.com/x bookworm main
deb [arch=amd64] https://example.com/stable/deb/$(ARCH) /
deb cdrom:[Debian 12 _Bookworm_ amd64]/ bookworm main
deb \"https://example.com/x\" ./
";

fn source(line: usize, uri: &str, suites: &str, components: &str) -> Source {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    Source {
        uris: words(uri),
        suites: words(suites),
        components: words(components),
        architectures: Vec::new(),
        excluded_architectures: Vec::new(),
        signed_by: Vec::new(),
        check_valid_until: true,
        enabled: true,
        line,
    }
}

#[test]
fn stanzas_are_read_with_comments_and_continued_lines() {
    let sources = parse("debian.sources", STANZAS).unwrap();
    let components = "main contrib non-free non-free-firmware";
    let archive = source(2, "https://example.com/debian", "bookworm bookworm-updates", components);
    let uris = "https://example.com/debian-security https://example.org/debian-security";
    let security = Source {
        architectures: vec!["amd64".to_owned()],
        excluded_architectures: vec!["i386".to_owned()],
        signed_by: vec![
            SignedBy::Path("/usr/share/keyrings/a.gpg".to_owned()),
            SignedBy::Fingerprint("0123456789ABCDEF0123456789ABCDEF01234567".parse().unwrap()),
        ],
        check_valid_until: false,
        enabled: false,
        ..source(9, uris, "bookworm-security", "main")
    };
    assert_eq!(sources, [archive, security]);
}

#[test]
fn lines_are_read_with_options_in_brackets() {
    let sources = parse("sources.list", LINES).unwrap();
    let options = Source {
        architectures: vec!["amd64".to_owned(), "arm64".to_owned()],
        excluded_architectures: vec!["i386".to_owned()],
        signed_by: vec![SignedBy::Path("/a.gpg".to_owned()), SignedBy::Path("/b.gpg".to_owned())],
        ..source(5, "https://example.com/x", "bookworm", "main")
    };
    let toolkit = Source {
        architectures: vec!["amd64".to_owned()],
        ..source(6, "https://example.com/stable/deb/$(ARCH)", "/", "")
    };
    let expected = [
        source(2, "https://example.com/debian", "bookworm", "main contrib"),
        options,
        toolkit,
        source(7, "cdrom:[Debian%2012%20_Bookworm_%20amd64]/", "bookworm", "main"),
        source(8, "https://example.com/x", "./", ""),
    ];
    assert_eq!(sources, expected);
}

#[test]
fn a_key_may_stand_in_the_file() {
    let text = "Types: deb\nURIs: https://example.com\nSuites: ./\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n =IE0r\n -----END PGP PUBLIC KEY BLOCK-----\n";
    let [source] = &parse("x.sources", text).unwrap()[..] else { panic!("one source") };
    let key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n=IE0r\n-----END PGP PUBLIC KEY BLOCK-----\n";
    assert_eq!(source.signed_by, [SignedBy::Armored(key.to_owned())]);
}

#[test]
fn architectures_can_be_named_added_and_excluded() {
    let serves = |options: &str| {
        let sources = parse("x.list", &format!("deb [{options}] https://example.com ./\n")).unwrap();
        ["amd64", "arm64"].map(|architecture| sources[0].has_architecture(architecture))
    };
    assert_eq!(serves(""), [true, true]);
    assert_eq!(serves("arch=amd64"), [true, false]);
    assert_eq!(serves("arch+=i386"), [true, true]);
    assert_eq!(serves("arch=amd64 arch+=arm64"), [true, true]);
    assert_eq!(serves("arch-=arm64"), [true, false]);
}

#[test]
fn what_apt_would_refuse_is_refused_with_its_line() {
    for (path, text, line, reason) in [
        ("a.list", "\nrpm https://example.com x main", 2, "the type `rpm` is neither"),
        ("a.list", "deb https://example.com bookworm", 1, "needs a component"),
        ("a.list", "deb https://example.com ./ main", 1, "does not go with components"),
        ("a.list", "deb https://example.com", 1, "no suite"),
        ("a.list", "deb", 1, "no URI"),
        ("a.list", "deb [arch=amd64 https://example.com x main", 1, "not closed"),
        ("a.list", "deb [arch] https://example.com x main", 1, "has no value"),
        ("a.list", "deb [signed-by=ABCD1234] https://example.com x main", 1, "no fingerprint"),
        ("a.sources", "# x\n\nTypes: deb\nURIs x\n", 4, "`URIs x` is not a field"),
        ("a.sources", " continued\n", 1, "`continued` is not a field"),
        ("a.sources", "Types: deb\nURIs: https://example.com\n", 1, "no suite"),
        ("a.sources", "Suites: ./\nURIs: https://example.com\n", 1, "no type"),
    ] {
        let error = parse(path, text).unwrap_err();
        assert!(error.message().contains(reason), "{text}: {}", error.message());
        let place = error.location().unwrap();
        assert_eq!((place.file.as_str(), place.line), (path, line), "{text}");
    }
}

/// Whatever the machine's own apt reads must be readable, and have what apt found in it.
#[test]
fn the_files_of_this_machine_are_understood() {
    let directory = fs_err::read_dir("/etc/apt/sources.list.d").into_iter().flatten();
    let mut paths: Vec<_> = directory.map(|entry| entry.unwrap().path()).collect();
    paths.push("/etc/apt/sources.list".into());
    let is_read = |path: &&std::path::PathBuf| {
        path.extension().is_some_and(|extension| extension == "list" || extension == "sources")
    };
    let mut found = 0;
    for path in paths.iter().filter(is_read) {
        let Ok(text) = fs_err::read_to_string(path) else { continue };
        found += parse(&path.to_string_lossy(), &text).unwrap().len();
    }
    if found == 0 {
        eprintln!("SKIPPED: this machine has no sources of apt");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(deb|Types|URIs|:|\\[|\\]|=|,|\"|#| |\n|\\.|/|x|é){0,60}") {
        let _ = parse("x.list", &text);
        let _ = parse("x.sources", &text);
    }
}
