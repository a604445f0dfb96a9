//! Roots of Debian releases, made by mmdebstrap from the mirror that this machine's apt is configured with, and
//! programs that run in them without a network.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};

use airlock::node::machine::{Call, Finished, Programs, SystemPrograms};

use super::made;

/// A copy of a root that is gone at the end of the test.
pub struct Root(tempfile::TempDir);

impl Root {
    /// A fresh root of a release; `None`, loudly, where that is not possible.
    pub fn new(release: &str) -> Option<Root> {
        let pristine = pristine(release)?;
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let copied =
            Command::new("cp").arg("--archive").arg(pristine).arg(directory.path().join("root")).status();
        assert!(copied.unwrap().success());
        // Power cuts are simulated by killing, which no page of the file system's cache notices.
        let quick = directory.path().join("root/etc/dpkg/dpkg.cfg.d/quick");
        fs_err::write(quick, "force-unsafe-io\n").unwrap();
        Some(Root(directory))
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// What dpkg knows about a package: `install ok installed 1.0`; empty if nothing.
    pub fn status(&self, package: &str) -> String {
        let format = "--showformat=${Status} ${Version}";
        let shown = self.run(&["dpkg-query", "--show", format, package]);
        String::from_utf8(shown.stdout).unwrap()
    }

    /// Runs a program that has to end well.
    #[track_caller]
    pub fn must(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new("chroot").arg(self.path()).args(words).env("LC_ALL", "C").output().unwrap()
    }
}

/// The root that copies are made of.
fn pristine(release: &str) -> Option<PathBuf> {
    let mut arguments = vec!["--variant=minbase"];
    if release == "bookworm" {
        arguments.push("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr");
    }
    made::root_of(&format!("packages-{release}"), release, &arguments)
}

/// The programs of a root, in namespaces of their own: without a network, and nothing outlives its call.
pub struct Inside(pub PathBuf);

impl Inside {
    /// The call that makes a call in the root.
    pub fn wrapped(&self, call: &Call) -> Call {
        let namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--root"];
        let wrapped = Call::new("unshare").with(namespaces).with([self.0.display().to_string()]);
        let wrapped = wrapped.with([call.program()]).with(call.arguments().to_vec()).within(call.deadline());
        call.variables().iter().fold(wrapped, |wrapped, (name, value)| wrapped.variable(name, value))
    }
}

impl Programs for Inside {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let finished = SystemPrograms.run(&self.wrapped(call))?;
        match finished.status {
            Some(127) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(finished),
        }
    }
}
