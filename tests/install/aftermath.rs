//! What is left of an installation that was interrupted: every file under its final name is whole, and in the end
//! nothing is left that exists only while something is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use airlock::node::{journal, lock};

use super::machine::Host;

/// Directories of the kernel, of systemd and of the programs that stand in here.
const OTHERS: [&str; 5] = ["/proc", "/run", "/state", "/sys", "/boot"];

/// The digests of [`Service`](airlock::node::resource::Service) follow from ports, which are different here.
const CONFIGURATION: &str = "Environment=AIRLOCK_CONFIGURATION=";

/// Text of every file that is the same on all machines, by path.
type Files = BTreeMap<String, Vec<u8>>;

/// Whether every file of the machine in `directory` is as an installation without interruptions leaves it, as far as it
/// is there.
pub fn is_whole(directory: &Path) -> Result<(), String> {
    let expected = expected();
    for (path, content) in files(directory) {
        // A file that is the same everywhere has one content, from its first moment.
        if expected.get(&path).is_some_and(|expected| *expected != content) {
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

/// What two machines agree upon.
fn expected() -> &'static Files {
    static EXPECTED: OnceLock<Files> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let [mut one, other] = [(); 2].map(|()| {
            let directory = Host::with_everything().into_directory();
            Host::again(directory.path()).install_to_the_end();
            files(directory.path())
        });
        one.retain(|path, content| other.get(path) == Some(content));
        assert!(one.contains_key("/usr/local/bin/k3s") && one.contains_key("/etc/rancher/k3s/config.yaml"));
        assert!(one.keys().any(|path| path.starts_with("/var/lib/airlock/store/blobs/sha256/")));
        one
    })
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

fn without_port(content: Vec<u8>, port: &str) -> Vec<u8> {
    let Ok(text) = String::from_utf8(content.clone()) else { return content };
    let lines = text.split_inclusive('\n').filter(|line| !line.starts_with(CONFIGURATION));
    lines.collect::<String>().replace(port, "PORT").into_bytes()
}

fn each_file(directory: &Path, take: &mut dyn FnMut(&Path)) {
    for entry in fs_err::read_dir(directory).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => each_file(&entry.path(), take),
            false => take(&entry.path()),
        }
    }
}
