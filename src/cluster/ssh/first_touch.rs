//! What a host says of itself when we are there for the first time. All of it is only believed as far as it goes: a host
//! that lies about itself harms itself.

use crate::oci::digest::Digest;
use crate::quote::shorten;

/// What a host has said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstTouch {
    /// Who we are there.
    pub user: String,
    /// Whether that is root.
    pub is_root: bool,
    /// As `uname -m` says it: `x86_64`.
    pub machine: String,
    /// As `uname -s` and `uname -r` say it: `Linux 6.1.0`.
    pub kernel: String,
    /// Whether there is `sudo`.
    pub has_sudo: bool,
    /// Whether there is `sha256sum`.
    pub has_sha256sum: bool,
    /// Which of our programs is there already, and undamaged.
    pub program: Option<Digest>,
}

impl FirstTouch {
    /// Takes a line, if it is one of ours, which begin with `mark`. True if it was the last.
    pub(super) fn take(&mut self, mark: &str, line: &str) -> Option<bool> {
        let (word, value) = line.strip_prefix(mark)?.strip_prefix(' ')?.split_once(' ')?;
        let value = shorten(value.trim(), 100);
        match word {
            "uid" => self.is_root = value == "0",
            "user" => self.user = value,
            "machine" => self.machine = value,
            "kernel" => self.kernel = value,
            "sudo" => self.has_sudo = !value.is_empty(),
            "sha256sum" => self.has_sha256sum = !value.is_empty(),
            "program" => self.program = self.program.or(Digest::from_hex(&value).ok()),
            "end" => return Some(true),
            _ => {}
        }
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::scripts;
    use super::*;

    /// Runs the script with `/bin/sh` and a home of its own.
    fn touch(home: &std::path::Path, programs: &[Digest]) -> FirstTouch {
        use std::io::Write as _;
        let mut shell = Command::new("/bin/sh");
        shell.arg("-s").env("HOME", home).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        shell.stdin.take().unwrap().write_all(scripts::first_touch("mark-7", programs).as_bytes()).unwrap();
        let output = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
        let mut touched = FirstTouch::default();
        let ends: Vec<bool> = output.lines().map(|line| touched.take("mark-7", line).unwrap()).collect();
        assert_eq!(ends.last(), Some(&true), "{output}");
        touched
    }

    #[test]
    fn a_host_tells_what_it_is_and_has() {
        let home = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"program of the tests of airlock");
        let touched = touch(home.path(), &[digest]);
        assert_eq!(touched.machine, std::env::consts::ARCH);
        assert_eq!(touched.is_root, rustix::process::geteuid().is_root());
        assert!(touched.has_sha256sum && touched.kernel.starts_with("Linux "));
        assert_eq!(touched.program, None);
        let place = home.path().join(".cache/airlock");
        fs_err::create_dir_all(&place).unwrap();
        let file = place.join(format!("airlock-{}", digest.hex()));
        fs_err::write(&file, "program of the tests of airlock").unwrap();
        fs_err::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        assert_eq!(touch(home.path(), &[Digest::of(b""), digest]).program, Some(digest));
        fs_err::write(&file, "damaged").unwrap();
        assert_eq!(touch(home.path(), &[digest]).program, None);
    }

    #[test]
    fn what_others_write_is_not_taken() {
        let mut touched = FirstTouch::default();
        for line in ["uid 0", "mark uid 0", "mark-77 uid 0", "mark-7", "mark-7 uid", "", "mark-7uid 0"] {
            assert_eq!(touched.take("mark-7", line), None, "{line}");
        }
        assert_eq!(touched, FirstTouch::default());
    }
}
