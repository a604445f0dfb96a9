//! House rules that no compiler checks: sizes, opening lines, scripts, what must never be written down.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped check says why")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every file that is under version control or would be, as a path relative to the root.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(directory) = pending.pop() {
        for entry in fs_err::read_dir(Path::new(ROOT).join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            let outside = ["target", ".git", "quickstart-output", "bench-output"];
            if outside.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() { pending.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs_err::read(Path::new(ROOT).join(path)).unwrap()).into_owned()
}

fn rust_sources() -> impl Iterator<Item = PathBuf> {
    files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

fn shell_scripts() -> Vec<PathBuf> {
    files().into_iter().filter(|path| text(path).starts_with("#!/usr/bin/env bash")).collect()
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    let silent: Vec<PathBuf> = rust_sources().filter(|path| !text(path).starts_with("//! ")).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn no_source_file_is_too_long() {
    let long: Vec<PathBuf> = rust_sources().filter(|path| text(path).lines().count() > 450).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn modules_are_not_called_mod_rs() {
    let found: Vec<PathBuf> = rust_sources().filter(|path| path.ends_with("mod.rs")).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn nothing_is_left_to_do() {
    // Put together here, so that this file does not find itself.
    let marks = [
        ["to", "do!"].concat(),
        ["unimple", "mented!"].concat(),
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
    ];
    let unfinished = |path: &PathBuf| marks.iter().any(|mark| text(path).contains(mark));
    let found: Vec<PathBuf> = rust_sources().chain(shell_scripts()).filter(unfinished).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn nothing_of_one_machine_or_site_is_written_down() {
    // Where this checkout lies, and the hosts that this machine's apt is set up with: whatever they are,
    // they have no business in the repository.
    let mut foreign: Vec<String> = vec![format!("{ROOT}/")];
    foreign.extend(apt_hosts());
    for name in foreign {
        let found: Vec<PathBuf> = files().into_iter().filter(|path| text(path).contains(&name)).collect();
        assert!(found.is_empty(), "{name} stands in {found:?}");
    }
}

/// The hosts of the package mirrors that apt is set up with; none where there is no apt.
fn apt_hosts() -> BTreeSet<String> {
    let Ok(output) = Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]).output()
    else {
        eprintln!("skipped: there is no apt whose mirrors could be looked for");
        return BTreeSet::new();
    };
    let uris = String::from_utf8_lossy(&output.stdout).into_owned();
    let hosts = uris.lines().filter_map(|uri| uri.split_once("://")?.1.split('/').next());
    hosts.filter(|host| host.contains('.')).map(str::to_owned).collect()
}

#[test]
fn shell_scripts_are_short_strict_and_well_formed() {
    let scripts = shell_scripts();
    assert!(scripts.iter().any(|path| path.ends_with("scripts/quickstart")), "{scripts:?}");
    for path in scripts {
        let script = text(&path);
        assert!(script.lines().count() < 50, "{} has 50 lines or more", path.display());
        assert!(
            script.lines().nth(1).is_some_and(|line| line.starts_with("# ")),
            "{} has no purpose",
            path.display()
        );
        assert!(script.contains("\nset -euo pipefail\n"), "{} is not strict", path.display());
        let check = Command::new("bash").arg("-n").arg(Path::new(ROOT).join(&path)).output().unwrap();
        assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

#[test]
fn every_script_the_documents_name_exists() {
    for document in ["README.md", "CONTRIBUTING.md"] {
        let document = text(Path::new(document));
        let named = document
            .split(|character: char| !(character.is_ascii_alphanumeric() || "/-_.".contains(character)));
        let scripts: Vec<&str> =
            named.filter(|word| word.starts_with("scripts/") && word.len() > 8).collect();
        assert!(!scripts.is_empty());
        for script in scripts {
            assert!(Path::new(ROOT).join(script.trim_end_matches('.')).exists(), "{script} does not exist");
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut links = 0;
    for document in documents {
        let content = text(&document);
        let targets = content.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if path.is_empty() { document.clone() } else { document.with_file_name(path) };
            assert!(Path::new(ROOT).join(&linked).exists(), "{}: {target}", document.display());
            let has_heading = |line: &str| line.starts_with('#') && anchor(line) == heading;
            assert!(
                heading.is_empty() || text(&linked).lines().any(has_heading),
                "{}: {target}",
                document.display()
            );
            links += 1;
        }
    }
    assert!(links > 15, "only {links} links were found");
}

/// The name that a heading has in links: lower case, without punctuation, with dashes for spaces.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.chars().filter(|&character| character.is_alphanumeric() || " -_".contains(character));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

/// Command lines in the documents: lines that begin with `$ airlock` or `airlock`, inside code blocks.
fn documented_commands(document: &str) -> Vec<Vec<String>> {
    let lines = text(Path::new(document));
    let commands = lines.lines().filter_map(|line| line.trim().strip_prefix("$ airlock "));
    let words = |command: &str| {
        let plain = |word: &&str| word.chars().all(|character| character.is_ascii_lowercase());
        command.split_whitespace().take_while(plain).take(2).map(str::to_owned).collect()
    };
    commands.map(words).collect()
}

#[test]
fn every_command_of_the_readme_exists() {
    let commands = documented_commands("README.md");
    assert!(commands.len() >= 4, "{commands:?}");
    for words in commands {
        let run = Command::new(env!("CARGO_BIN_EXE_airlock")).args(&words).arg("--help").output().unwrap();
        assert!(run.status.success(), "airlock {} --help fails", words.join(" "));
        let help = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(help.contains(words.last().unwrap()), "airlock {} is not a command: {help}", words.join(" "));
    }
}
