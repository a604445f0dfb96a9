//! The list of all steps is the list of all steps: a new one has to be in it, and then has to have a case in the
//! tests of faults, which go through it.

use std::path::Path;

use airlock::node::step::names::{IN_CLUSTER, INSTALL, RECOVERY, REPAIR, RESET, SITE};

/// What makes a step, with its name next.
const MAKERS: [&str; 3] = ["Resources::new(", "Install::new(", "Hold::new("];

/// Rust files below a directory.
fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs_err::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), fs_err::read_to_string(&path).unwrap()));
        }
    }
}

/// Names that are written where they should be taken from the list.
fn written_names(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let implementations = code
        .split("impl Step for ")
        .skip(1)
        .filter_map(|step| step.split_once("fn name(&self) -> &'static str {").map(|(_, rest)| rest));
    let made = MAKERS.iter().flat_map(|maker| code.split(maker).skip(1));
    let first_word =
        |rest: &str| rest.trim_start().chars().take_while(|letter| *letter != '\n').collect::<String>();
    implementations.chain(made).map(first_word).filter(|word| word.starts_with('"')).collect()
}

#[test]
fn every_step_takes_its_name_from_the_list() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node"), &mut files);
    let steps = files.iter().filter(|(_, text)| text.contains("impl Step for ")).count();
    assert!(steps > 20, "there are no steps where they are looked for");
    for (path, text) in &files {
        // Tests have steps of their own.
        if !path.contains("/tests/") && !path.ends_with("/tests.rs") {
            assert_eq!(written_names(text), [] as [String; 0], "{path}: take it from src/node/step/names.rs");
        }
    }
    assert_eq!(written_names("impl Step for A {\n fn name(&self) -> &'static str {\n \"a\"\n"), ["\"a\""]);
    assert_eq!(written_names("Resources::new(\"b\", title)"), ["\"b\", title)"]);
}

#[test]
fn every_name_of_the_list_is_used() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node"), &mut files);
    for name in [INSTALL, SITE, IN_CLUSTER, REPAIR, RECOVERY, RESET].concat() {
        let constant = format!("names::{}", name.to_uppercase().replace('-', "_"));
        let users = files.iter().filter(|(_, text)| text.contains(&constant)).count();
        assert!(users > 0, "no step is called {name}: {constant}");
    }
}
