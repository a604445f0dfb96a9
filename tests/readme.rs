//! The tour of the README is run as it is printed, against the sample upstream, and its output compared.
//!
//! Digests, keys, sizes and other numbers differ from machine to machine and are not compared.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "support/samples.rs"]
mod samples;
#[path = "support/upstream/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use server::{Options, Server};

const AIRLOCK: &str = env!("CARGO_BIN_EXE_airlock");

/// A command of the README and what it prints there; nothing if the README does not say.
struct Step {
    command: String,
    output: String,
}

/// What lies between three backticks, of one language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), output: String::new() }),
            (None, Some(step)) if goes_on => step.command += &format!("\n{line}"),
            (None, Some(step)) => step.output += &format!("{line}\n"),
            (None, None) => panic!("a block begins with output: {line}"),
        }
        goes_on = line.ends_with('\\');
    }
    steps
}

/// Words without what differs: digests, keys, numbers, units, the way words are aligned.
fn normalised(text: &str) -> Vec<String> {
    let units = ["B", "KiB", "MiB", "GiB"];
    let words = text.split_whitespace().map(|word| {
        let opaque = ["sha256:", "SHA256:", "AAAA"].into_iter().find(|start| word.starts_with(start));
        match opaque {
            Some(start) => start.to_owned(),
            None if units.contains(&word.trim_end_matches(',')) => "[unit]".to_owned(),
            None => word.replace(|character: char| character.is_ascii_digit() || character == '.', ""),
        }
    });
    words.collect()
}

/// A machine with the spec of the README, whose upstream is on this machine.
struct Tour {
    home: tempfile::TempDir,
    _server: Server,
}

impl Tour {
    fn start(spec: &str) -> Tour {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("upstream");
        samples::make(&data, &fs_err::read("/bin/sh").unwrap()).unwrap();
        let server = Server::start(Options::new(&data)).unwrap();
        let url = server.url();
        let channel = format!(
            "  channel: stable\n  baseUrl: {url}/k3s-io/k3s/releases/download\n  channelUrl: {url}/v1-release/channels\n"
        );
        let spec = spec.replace("  channel: stable\n", &channel)
            + &format!("registries:\n  docker.io:\n    mirrors: [\"{url}\"]\n");
        fs_err::create_dir(home.path().join("work")).unwrap();
        fs_err::write(home.path().join("work/bundle.yaml"), spec).unwrap();
        Tour { home, _server: server }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    /// The names of the README for what is elsewhere in a test, longest first.
    fn places(&self) -> [(&'static str, String); 4] {
        [
            ("/media/stick", self.path("stick")),
            ("/media/october", self.path("october")),
            ("/etc/airlock/allowed_signers", self.path(".config/airlock/allowed_signers")),
            ("~", self.home.path().to_str().unwrap().to_owned()),
        ]
    }

    /// Runs a command in `directory` and returns its standard output.
    fn run(&self, command: &str, directory: &Path) -> String {
        let mut command = command.replace("key generate", "key generate --no-passphrase");
        for (name, place) in self.places() {
            command = command.replace(name, &place);
        }
        let path = format!("{}:/usr/bin:/bin", Path::new(AIRLOCK).parent().unwrap().display());
        let mut bash = Command::new("bash");
        bash.env_clear().env("HOME", self.home.path()).env("PATH", path).current_dir(directory);
        let output = bash.args(["-c", &command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn check(&self, step: &Step, directory: &Path) {
        let printed = self.run(&step.command, directory);
        let mut promised = step.output.clone();
        for (name, place) in self.places().iter().filter(|(name, _)| !name.starts_with("/etc")) {
            promised = promised.replace(name, place);
        }
        if !promised.is_empty() {
            assert_eq!(normalised(&printed), normalised(&promised), "{}", step.command);
        }
    }
}

#[test]
fn the_tour_of_the_readme_works_as_printed() {
    let readme = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let tour_text = readme.split("\n## ").find(|section| section.starts_with("Five minutes")).unwrap();
    let tour = Tour::start(blocks(tour_text, "yaml").first().unwrap());
    let mut count = 0;
    for block in blocks(tour_text, "console") {
        let mut directory = tour.home.path().join("work");
        for step in steps(block) {
            match step.command.strip_prefix("cd ") {
                Some(place) => directory = PathBuf::from(place.replace("/media/stick", &tour.path("stick"))),
                None => tour.check(&step, &directory),
            }
            if step.command.starts_with("airlock bundle build") {
                tour.run("cp -r /media/stick /media/october", &directory);
            }
            count += 1;
        }
    }
    assert!(count >= 10, "only {count} commands were found");
}

#[test]
fn every_spec_of_the_readme_is_one() {
    let readme = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let specs = blocks(&readme, "yaml");
    assert!(specs.len() >= 2, "only {} specs were found", specs.len());
    for spec in specs {
        let checked = airlock::spec::parse(spec.as_bytes(), "README.md", Path::new("."));
        assert!(checked.is_ok(), "{spec}: {checked:?}");
    }
}
