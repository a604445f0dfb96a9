//! Files made to exhaust or crash the parser.

use std::path::Path;
use std::time::{Duration, Instant};

use airlock::error::Error;
use airlock::spec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{HEAD, parse, rendered, with_head};

/// What is measured in release must hold there; the debug build is given ten times as long.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 1000 } else { 100 });

fn refused_quickly(text: &str) -> Error {
    let start = Instant::now();
    let error = parse(text).expect_err("a hostile file");
    assert!(start.elapsed() < LIMIT, "took {:?}", start.elapsed());
    assert_eq!((error.code().to_string().as_str(), error.kind().exit_status()), ("E0107", 3));
    assert!(rendered(&error).len() < 2000);
    error
}

/// Nine to the power of ten values from half a kilobyte.
fn billion_laughs() -> String {
    let mut text = with_head("charts:\n  - &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        text += &format!("  - &a{level} [{aliases}]\n");
    }
    text
}

#[test]
fn aliases_that_explode_are_stopped() {
    let error = refused_quickly(&billion_laughs());
    assert!(error.message().contains("alias budget"));
}

#[test]
fn memory_stays_small_whatever_the_aliases_expand_to() {
    let before = peak_memory();
    refused_quickly(&billion_laughs());
    assert!(peak_memory() - before < 50 * 1024, "{} KiB more", peak_memory() - before);
}

/// `VmHWM` of this process in KiB (proc_pid_status(5)).
fn peak_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the peak is listed");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn ten_thousand_levels_do_not_overflow_the_stack() {
    for opening in ["[", "{a: ", "- "] {
        refused_quickly(&with_head(&format!("charts:\n  {}", opening.repeat(10_000))));
    }
    let staircase: String = (0..1_000).map(|level| " ".repeat(level) + "charts:\n").collect();
    refused_quickly(&staircase);
}

#[test]
fn groups_and_targets_cannot_be_multiplied() {
    let targets: String =
        (0..1_000).map(|number| format!("  - {{host: debian-12, name: n{number}}}\n")).collect();
    let packages: String = (0..5_000).map(|number| format!("p{number}, ")).collect();
    let error = refused_quickly(&with_head(&format!(
        "hosts: [debian-12]\napt:\n  packages: [{packages}]\n  targets:\n{targets}"
    )));
    assert!(error.message().contains("1000 targets"));

    let again = "\"@all\", ".repeat(5_000);
    let text = format!(
        "hosts: [debian-12]\napt:\n  groups: {{all: [{packages}]}}\n  packages: [{again}]\n  targets: [{{host: debian-12}}]\n"
    );
    let before = peak_memory();
    let error = parse(&with_head(&text)).expect_err("a group that is listed twice");
    assert!(error.message().contains("listed twice"));
    assert!(peak_memory() - before < 50 * 1024, "{} KiB more", peak_memory() - before);
}

#[test]
fn the_size_is_checked_before_anything_is_parsed() {
    // Zeroed pages cost no memory until they are read.
    let text = vec![0; 200 * 1024 * 1024];
    let start = Instant::now();
    let error = spec::parse(&text, "bundle.yaml", Path::new("")).expect_err("too large");
    assert!(start.elapsed() < LIMIT);
    assert_eq!(error.code().to_string(), "E0107");
    assert!(error.message().contains("209715200 bytes"));
}

#[test]
fn many_values_are_refused() {
    let error = parse(&with_head(&format!("images: [{}]\n", "a, ".repeat(150_000)))).expect_err("too many");
    assert_eq!(error.code().to_string(), "E0107");
}

#[test]
fn bytes_that_are_not_text_are_refused_with_their_place() {
    for (bytes, line) in [(&b"name: l\xE4b\n"[..], 1), (b"a: 1\nb: \xFF\n", 2), (b"\xFF\xFEn\0", 1)] {
        let error = spec::parse(bytes, "bundle.yaml", Path::new("")).expect_err("not UTF-8");
        assert_eq!(error.code().to_string(), "E0101");
        assert_eq!(error.location().map(|place| place.line), Some(line));
        assert!(error.help().is_some_and(|help| help.contains("iconv")));
    }
}

#[test]
fn no_error_shows_a_password_or_an_escape_sequence() {
    for body in [
        "files:\n  - url: https://me:hunter2@a.lab/x\n    to: /x\n",
        "files:\n  - url: https://me:hun/ter2hunter2@a.lab/x\n    to: /x\n",
        "k3s:\n  channel: stable\n  baseUrl: https://me:hunter2@a.lab\n",
        "registries:\n  me:hunter2@docker.io: {}\nimages: [a:1]\n",
        "imges:\n  - https://me:hunter2@a.lab/x\n",
        "images:\n  - https://me:hunter2@a.lab/x\n",
        "images: [\"\\e[31m:1\"]\n",
        "apt:\n  packages: [\"me:hunter2@x\"]\n",
    ] {
        let shown = rendered(&parse(&with_head(body)).expect_err(body));
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}'), "{shown}");
    }
}

/// Pieces that files are made of, valid and not, to be joined at random.
const PIECES: &[&str] = &[
    HEAD,
    "images:\n",
    "files:\n",
    "k3s:\n",
    "  - ",
    "- ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    ": ",
    "a:1",
    "image: ",
    "path: ",
    "to: /a",
    "version: ",
    "v1.36.3+k3s1",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<",
    "? ",
    "|\n",
    ">",
    "#",
    "---\n",
    "...",
    "!!str ",
    "!x",
    "%YAML 1.2\n",
    "null",
    "~",
    "0755",
    "é",
    "🔑",
    "\u{feff}",
    "\u{0}",
    "registries:\n",
    "docker.io",
    "from: oci:",
    "https://u:p@h/",
    "sha256: ",
    "apt:\n",
    "nvidia:\n",
    "packages: ",
    "targets:\n",
    "host: debian-12",
    "hosts: [debian-12]\n",
    "baseline: ",
    "signedBy: ",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
    "containerToolkit: ",
    "fingerprint: ",
    "\\",
    "\u{85}",
    "\u{2028}",
];

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = spec::parse(&bytes, "bundle.yaml", Path::new(""));
    }

    #[test]
    fn no_mixture_panics_and_every_refusal_helps(
        pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40),
    ) {
        if let Err(error) = parse(&pieces.concat()) {
            prop_assert_eq!(error.kind().exit_status(), 3);
            prop_assert!(error.help().is_some());
            prop_assert!(!rendered(&error).chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }
    }

    #[test]
    fn no_damage_to_a_good_file_panics(from in any::<Index>(), to in any::<Index>(), piece in proptest::sample::select(PIECES)) {
        let good = include_str!("../../manifests/examples/gpu.yaml");
        let mut cuts = [from.index(good.len()), to.index(good.len())];
        cuts.sort_unstable();
        // The example is ASCII, so every cut is between characters.
        if let Err(error) = parse(&format!("{}{piece}{}", &good[..cuts[0]], &good[cuts[1]..])) {
            prop_assert_eq!(error.kind().exit_status(), 3);
            prop_assert!(!rendered(&error).chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        }
    }
}
