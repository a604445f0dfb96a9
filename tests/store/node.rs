//! A node with a stick and a store, gone at the end of the test.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use airlock::oci::digest::Digest;
use tempfile::TempDir;

use super::bundles::Contents;
use super::store_check;

pub struct Node(TempDir);

impl Node {
    /// A node whose stick holds a bundle with an image and these files.
    pub fn with_files(files: &[&[u8]]) -> Node {
        let node = Node(tempfile::tempdir().unwrap());
        node.add_bundle("stick", &Contents::with_files(files));
        node
    }

    pub fn add_bundle(&self, directory: &str, contents: &Contents) {
        let directory = self.path(directory);
        fs_err::create_dir_all(&directory).unwrap();
        contents.signed(None).write_to(&directory);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `airlock store …` with its store and its trust.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let signers = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle-spec/golden/allowed_signers");
        let mut command = Command::new(env!("CARGO_BIN_EXE_airlock"));
        command.env_clear().env("HOME", self.0.path()).current_dir(self.0.path()).arg("store");
        command.args(arguments).args(["--store", "store", "--quiet"]);
        if ["import", "repair"].contains(&arguments[0]) {
            command.arg("--allowed-signers").arg(signers);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Exit status and both outputs, without what differs from run to run.
    pub fn airlock(&self, arguments: &[&str]) -> String {
        let is_time = |word: &&str| word.len() > 20 && word.starts_with("20") && word.ends_with('Z');
        let shown = shown(&self.command(arguments).output().unwrap());
        let times: Vec<String> = shown.split_whitespace().filter(is_time).map(str::to_owned).collect();
        times.iter().fold(shown, |shown, time| shown.replace(time.as_str(), "[TIME]"))
    }

    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{}", shown(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Makes everything in the store a week old.
    pub fn age(&self) {
        let old = SystemTime::now() - Duration::from_secs(7 * 24 * 60 * 60);
        for path in files_below(&self.path("store")) {
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        }
    }

    /// Where the store keeps a blob.
    pub fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.path("store/blobs/sha256").join(Digest::of(bytes).hex())
    }
}

pub fn shown(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    format!("exit {}\n{}{}", output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// All files below a directory.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    store_check::files_below(root).unwrap()
}

/// No half blob has a name, and no tag names anything that is missing or damaged.
pub fn assert_sound(root: &Path) {
    store_check::check(root).unwrap();
}

/// Bytes that a directory takes on the disk.
pub fn disk_usage(root: &Path) -> u64 {
    files_below(root).iter().map(|path| fs_err::metadata(path).unwrap().blocks() * 512).sum()
}
