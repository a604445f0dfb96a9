//! The tours of the README and of docs/registry.md are run as they are printed, against the sample upstream, and
//! their output compared.
//!
//! Digests, keys, sizes and other numbers differ from machine to machine and are not compared.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]
#![allow(clippy::print_stderr, reason = "a skipped check says why")]

#[path = "support/samples.rs"]
mod samples;
#[path = "support/upstream/server.rs"]
mod server;
#[path = "support/serving.rs"]
mod serving;
#[path = "support/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use server::{Options, Server};
use serving::Serving;

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
    /// Of the registry, once it is served.
    address: String,
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
        Tour { home, address: String::new(), _server: server }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_str().unwrap().to_owned()
    }

    /// The names of the README for what is elsewhere in a test, longest first.
    fn places(&self) -> [(&'static str, String); 9] {
        [
            ("/media/stick", self.path("stick")),
            ("/media/october", self.path("october")),
            ("/etc/airlock/allowed_signers", self.path(".config/airlock/allowed_signers")),
            ("/etc/airlock/token", self.path("token")),
            ("/run/airlock/registry.sock", self.path("socket")),
            ("/var/lib/airlock/registry", self.path("tls")),
            ("/var/lib/airlock/store", self.path("store")),
            ("registry.lab:5000", self.address.clone()),
            ("~", self.home.path().to_str().unwrap().to_owned()),
        ]
    }

    /// Runs a command in `directory` and returns its standard output.
    fn run(&self, command: &str, directory: &Path) -> String {
        let command = self.resolved(command);
        let path = format!("{}:/usr/bin:/bin", Path::new(AIRLOCK).parent().unwrap().display());
        let mut bash = Command::new("bash");
        bash.env_clear().env("HOME", self.home.path()).env("PATH", path).current_dir(directory);
        bash.env("REGISTRY_AUTH_FILE", self.path("auth.json"));
        let output = bash.args(["-c", &command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command with the places of this test.
    fn resolved(&self, command: &str) -> String {
        let store = "--store /var/lib/airlock/store";
        let mut command = command.replace("key generate", "key generate --no-passphrase");
        for verb in ["import", "list", "verify", "repair", "gc"] {
            command =
                command.replace(&format!("airlock store {verb}"), &format!("airlock store {verb} {store}"));
        }
        for (name, place) in self.places() {
            command = command.replace(name, &place);
        }
        command
    }

    /// Starts the registry as it is printed, but at a free port, and remembers where.
    fn serve(&mut self, command: &str) -> Serving {
        let command = command.replace("0.0.0.0:5000", "127.0.0.1:0").replace("127.0.0.1:5001", "127.0.0.1:0");
        let command = self.resolved(&command);
        let mut arguments: Vec<&str> = command.split_whitespace().skip(3).collect();
        let (store, tls) = (self.path("store"), self.path("tls"));
        if !arguments.contains(&"--in-place") {
            arguments.extend(["--store", &store, "--tls-directory", &tls]);
        }
        let serving = Serving::start(self.home.path(), &arguments);
        if let Some((_, port)) = serving.first_address().rsplit_once(':') {
            self.address = format!("localhost:{port}");
        }
        serving
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
fn the_tour_of_the_registry_works_as_printed() {
    if !["curl", "skopeo"].into_iter().all(tools::is_there) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs_err::read_to_string(root.join("README.md")).unwrap();
    let mut tour = Tour::start(blocks(&readme, "yaml").first().unwrap());
    let work = tour.home.path().join("work");
    tour.run("airlock key generate --output signing-key --comment lab", &work);
    tour.run("airlock bundle build --key signing-key --output /media/stick", &work);
    let (mut serving, mut count) = (Vec::new(), 0);
    for block in blocks(&fs_err::read_to_string(root.join("docs/registry.md")).unwrap(), "console") {
        for step in steps(block) {
            match step.command.starts_with("airlock registry serve") {
                true => serving.push(tour.serve(&step.command)),
                false => tour.check(&step, &work),
            }
            count += 1;
        }
    }
    assert!(serving.len() == 2 && count >= 14, "only {count} commands were found");
}

#[test]
fn every_spec_of_the_readme_is_one() {
    let readme = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let specs = blocks(&readme, "yaml");
    assert!(specs.len() >= 2, "only {} specs were found", specs.len());
    for spec in specs {
        let (text, here) = (spec.as_bytes(), Path::new("."));
        let mut no_secret = |path: &Path| panic!("the README names no secret: {}", path.display());
        let checked = match spec.contains("kind: Cluster") {
            true => airlock::spec::cluster::parse(text, "README.md", here, &mut no_secret).map(drop),
            false => airlock::spec::parse(text, "README.md", here).map(drop),
        };
        assert!(checked.is_ok(), "{spec}: {checked:?}");
    }
}

/// The option in a word, without what is around it.
fn option(word: &str) -> Option<&str> {
    let is_of_a_name = |character: char| character.is_ascii_lowercase() || character == '-';
    let word = &word[word.find("--")?..];
    word.split(|character| !is_of_a_name(character)).next().filter(|name| name.len() > 3)
}

#[test]
fn what_is_told_about_installing_exists() {
    let read = |name: &str| fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (tour, readme) = (read("docs/install.md"), read("README.md"));
    let help = |words: &[&str]| Command::new(AIRLOCK).args(words).arg("--help").output().unwrap().stdout;
    let help = [help(&["install"]), help(&["node", "preflight"])].concat();
    let help = String::from_utf8(help).unwrap();
    for failure in airlock::node::k3s::failure::FAILURES {
        let row = format!("| {} | {} | {} |\n", failure.says, failure.cause, failure.fix);
        assert!(tour.contains(&row), "docs/install.md lacks {row}");
    }
    let section = readme.split("\n## ").find(|section| section.starts_with("Install\n")).unwrap();
    assert!(known_options(&[section, &tour], &help) > 30);
}

#[test]
fn what_is_told_about_clusters_exists() {
    let read = |name: &str| fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (making, operating, readme) =
        (read("docs/cluster.md"), read("docs/cluster-operations.md"), read("README.md"));
    let section = readme.split("\n## ").find(|section| section.starts_with("Clusters\n")).unwrap();
    let reference = read("docs/cli.md");
    // Of k3s itself.
    let help = format!("{reference} --cluster-reset");
    assert!(known_options(&[section, &making, &operating], &help) > 30);
    let mut count = 0;
    for text in [section, &making, &operating, &read("docs/cluster-yaml.md")] {
        for command in text.split("airlock cluster ").skip(1) {
            let is_of_a_name = |word: &&str| word.chars().all(|character| character.is_ascii_lowercase());
            let Some(name) = command.split([' ', '`', '\n', ',', ':']).next().filter(is_of_a_name) else {
                continue;
            };
            assert!(reference.contains(&format!("## `airlock cluster {name}`")), "there is no {name}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} commands were found");
}

/// How many options are in the texts; all of them have to be in the help.
fn known_options(texts: &[&str], help: &str) -> usize {
    let known: BTreeSet<&str> = help.split_whitespace().filter_map(option).collect();
    let options = texts.iter().flat_map(|text| text.split_whitespace()).filter_map(option);
    options.inspect(|option| assert!(known.contains(option), "there is no {option}")).count()
}
