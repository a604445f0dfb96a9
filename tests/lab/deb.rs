//! A package of Debian with files in it, built by dpkg-deb.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use fs_err as fs;

use crate::apt_repository::control;

/// A package to build.
pub struct Deb {
    /// Its control file.
    pub control: String,
    postinst: Option<String>,
    /// Where, with which mode, what.
    files: Vec<(String, u32, Vec<u8>)>,
}

impl Deb {
    /// An empty package, described as [`control`] takes it.
    pub fn new(text: &str) -> Deb {
        Deb { control: control(text), postinst: None, files: Vec::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        let first = self.control.lines().next().unwrap_or_default();
        first.trim_start_matches("Package: ")
    }

    /// The same with a file in it.
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Deb {
        self.with(path, 0o644, content.into())
    }

    /// The same with a program in it.
    pub fn program(self, path: &str, content: &str) -> Deb {
        self.with(path, 0o755, content.into())
    }

    /// The same with a script that configures it.
    pub fn after_unpacking(mut self, script: &str) -> Deb {
        self.postinst = Some(script.to_owned());
        self
    }

    fn with(mut self, path: &str, mode: u32, content: Vec<u8>) -> Deb {
        self.files.push((path.to_owned(), mode, content));
        self
    }

    /// The bytes of the `.deb`.
    pub fn build(&self) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let (tree, deb) = (directory.path().join("tree"), directory.path().join("package.deb"));
        put(&tree, "DEBIAN/control", 0o644, self.control.as_bytes());
        if let Some(script) = &self.postinst {
            put(&tree, "DEBIAN/postinst", 0o755, script.as_bytes());
        }
        for (path, mode, content) in &self.files {
            put(&tree, path.trim_start_matches('/'), *mode, content);
        }
        let mut build = Command::new("dpkg-deb");
        let output = build.args(["--root-owner-group", "--build"]).args([&tree, &deb]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(deb).unwrap()
    }
}

fn put(tree: &Path, path: &str, mode: u32, content: &[u8]) {
    let path = tree.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}
