//! What is left of a command that was interrupted: every file under its final name is whole, and in the end
//! nothing is left that exists only while something is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use airlock::node::{journal, lock};

use super::child::Task;
use super::scenario::Scenario;

/// Directories of the kernel, of systemd and of the programs that stand in here.
const OTHERS: [&str; 5] = ["/proc", "/run", "/state", "/sys", "/boot"];

/// The digests of [`Service`](airlock::node::resource::Service) follow from ports, which are different here.
const CONFIGURATION: &str = "Environment=AIRLOCK_CONFIGURATION=";

/// Text of every file that is the same on all machines, by path.
type Files = BTreeMap<String, Vec<u8>>;

/// All contents that a file may have, by path.
type Expected = BTreeMap<String, Vec<Vec<u8>>>;

/// Whether every file of the machine in `directory` is as the command has found it, or as it leaves it when nothing comes
/// in between.
pub fn is_whole(scenario: &Scenario, directory: &Path) -> Result<(), String> {
    let expected = expected(scenario);
    for (path, content) in files(directory) {
        // A file that is the same everywhere has one content before and one afterwards, and none in between.
        if expected.get(&path).is_some_and(|expected| !expected.contains(&content)) {
            return Err(format!("{path} is not whole: {}", String::from_utf8_lossy(&content)));
        }
    }
    Ok(())
}

/// Files that only exist while something is written.
pub fn leftovers(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    each_file(directory, &mut |path| {
        let name = path.to_string_lossy();
        if name.ends_with(".airlock") || name.ends_with(".partial") || name.ends_with(".tmp") {
            found.push(name.into_owned());
        }
    });
    found
}

/// What files may be like, as far as two machines agree upon that.
fn expected(scenario: &Scenario) -> &'static Expected {
    static EXPECTED: [OnceLock<Expected>; 4] = [const { OnceLock::new() }; 4];
    EXPECTED[scenario.task as usize].get_or_init(|| observe(scenario))
}

fn observe(scenario: &Scenario) -> Expected {
    let [mut one, other] = [(); 2].map(|()| {
        let ground = (scenario.prepare)();
        let before = files(ground.path());
        assert_eq!((scenario.finish)(ground.path()), [] as [String; 0]);
        let mut expected = Expected::new();
        for (path, content) in before.into_iter().chain(files(ground.path())) {
            expected.entry(path).or_default().push(content);
        }
        expected
    });
    one.retain(|path, contents| other.get(path) == Some(contents));
    assert!(one.contains_key("/usr/local/bin/k3s") && one.contains_key("/usr/local/bin/airlock"));
    assert!(
        one.keys().any(|path| path.starts_with("/var/lib/airlock/store/blobs/sha256/"))
            || scenario.task == Task::InstallWithSite
    );
    one
}

fn files(directory: &Path) -> Files {
    let (root, mut files) = (directory.join("root"), Files::new());
    let port = fs_err::read_to_string(directory.join("port")).unwrap();
    each_file(&root, &mut |path| {
        let name = format!("/{}", path.strip_prefix(&root).unwrap().display());
        // The lock names who holds it, and nobody in the end; the journal is about what happened to this machine.
        let is_other = [lock::PATH, journal::PATH].contains(&name.as_str())
            || OTHERS.iter().any(|other| name.starts_with(other))
            || name.starts_with("/var/lib/dpkg");
        if let (false, Ok(content)) = (is_other, fs_err::read(path)) {
            files.insert(name, without_port(content, &port));
        }
    });
    files
}

/// As a word of its own: a digest may have the same digits in it.
fn without_port(content: Vec<u8>, port: &str) -> Vec<u8> {
    let Ok(text) = String::from_utf8(content.clone()) else { return content };
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with(CONFIGURATION));
    let is_between = |letter: char| !letter.is_ascii_alphanumeric();
    let words = lines.flat_map(|line| line.split_inclusive(is_between));
    let without = |word: &str| match word.trim_end_matches(is_between) {
        found if found == port => word.replacen(port, "PORT", 1),
        _ => word.to_owned(),
    };
    words.map(without).collect::<String>().into_bytes()
}

fn each_file(directory: &Path, take: &mut dyn FnMut(&Path)) {
    for entry in fs_err::read_dir(directory).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => each_file(&entry.path(), take),
            false => take(&entry.path()),
        }
    }
}

#[test]
fn a_port_is_replaced_and_a_digest_with_its_digits_is_not() {
    let without = |text: &str| String::from_utf8(without_port(text.into(), "35273")).unwrap();
    assert_eq!(without("https://a:35273/v2\nListenStream=35273\n"), "https://a:PORT/v2\nListenStream=PORT\n");
    assert_eq!(without("sha256:e935273fd\n135273\n"), "sha256:e935273fd\n135273\n");
}
