//! Machines made of files: `hosts/NAME.txt` says what stands in them.
//!
//! `== PATH` begins a file, which goes on to the next line of this kind; `== PATH/` is a directory;
//! `-> PATH TARGET` is a symbolic link. Lines with `#` before the first file are comments.

use std::io;
use std::path::{Path, PathBuf};

use airlock::node::facts::{Facts, Host, Request, Space, System};
use tempfile::TempDir;

/// All machines.
pub const ALL: [&str; 5] =
    ["debian-12-server", "ubuntu-22.04-gpu", "rocky-9", "old-kernel-cgroup-v1", "container"];

/// What no file tells about such a machine.
struct Described {
    machine: &'static str,
}

impl System for Described {
    fn now(&self) -> i64 {
        // 2026-11-21T15:00:00Z
        1_795_273_200
    }

    fn machine(&self) -> String {
        self.machine.to_owned()
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        const GIB: u64 = 1 << 30;
        let (total, free, available) = (100 * GIB, 80 * GIB, 75 * GIB);
        Ok(Space { total, free, available, inodes: 6_553_600, free_inodes: 6_000_000 })
    }

    fn stores_file_types(&self, _: &Path) -> Option<bool> {
        Some(true)
    }
}

/// A machine in a directory of its own, gone at the end of the test.
pub struct Machine {
    directory: TempDir,
}

impl Machine {
    pub fn new(name: &str) -> Machine {
        let machine = Machine { directory: tempfile::tempdir().unwrap() };
        let mut file: Option<(PathBuf, String)> = None;
        for line in description(name).lines() {
            if let Some(path) = line.strip_prefix("== ") {
                machine.put(file.take());
                file = machine.begin(path);
            } else if let Some(link) = line.strip_prefix("-> ") {
                machine.put(file.take());
                let (path, target) = link.split_once(' ').unwrap();
                machine.link(path, target);
            } else if let Some((_, text)) = &mut file {
                *text += line;
                text.push('\n');
            }
        }
        machine.put(file);
        machine
    }

    fn begin(&self, path: &str) -> Option<(PathBuf, String)> {
        let place = self.path(path);
        if path.ends_with('/') {
            fs_err::create_dir_all(place).unwrap();
            return None;
        }
        Some((place, String::new()))
    }

    fn put(&self, file: Option<(PathBuf, String)>) {
        if let Some((path, text)) = file {
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
    }

    fn link(&self, path: &str, target: &str) {
        let place = self.path(path);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::os::unix::fs::symlink(target, place).unwrap();
    }

    /// Where a file of the machine lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path.trim_start_matches('/'))
    }

    /// All its files.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut pending = vec![self.directory.path().to_path_buf()];
        while let Some(directory) = pending.pop() {
            for entry in fs_err::read_dir(directory).unwrap().map(Result::unwrap) {
                let kind = entry.file_type().unwrap();
                if kind.is_dir() { pending.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        files
    }

    /// What it is.
    pub fn facts(&self) -> Facts {
        self.facts_for(&Request::default())
    }

    pub fn facts_for(&self, request: &Request) -> Facts {
        let system = Box::new(Described { machine: "x86_64" });
        Facts::gather(&Host { root: self.directory.path().to_path_buf(), system }, request)
    }
}

fn description(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/node/hosts/{name}.txt"));
    fs_err::read_to_string(path).unwrap()
}
