//! A medium with lists beside it, and the real program that is to install from it: on this machine as far as it only
//! looks, and in a root of its own where it may change everything.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use airlock::node::preflight::checks;
use airlock::trust::signature::Signer as _;
use tempfile::TempDir;

use super::bundles::{Contents, test_key};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_airlock");

/// Where a private root is made, and entered: nothing of it is left when its first process ends. `$1` is the directory
/// of the stage, `$2` that of the program, `$3` what is done inside. Nothing is a unit there.
const ENTER: &str = r#"
set -e
mount --make-rprivate /
mkdir -p "$1/over"
mount -t tmpfs tmpfs "$1/over"
cd "$1/over"
mkdir up work root
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
mount -t proc proc root/proc
for shared in sys dev; do mount --rbind "/$shared" "root/$shared"; done
for kept in "$1" "$2"; do mkdir -p "root$kept"; mount --bind "$kept" "root$kept"; done
mount -t tmpfs tmpfs root/run
printf '#!/bin/sh\necho ActiveState=inactive\n' > root/usr/bin/systemctl
hostname node-1
cd /
exec chroot "$1/over/root" sh -c "cd '$1'; $3"
"#;

/// A temporary directory with a medium.
pub struct Stage(TempDir);

impl Stage {
    /// With an empty medium.
    pub fn empty() -> Stage {
        let stage = Stage(tempfile::tempdir().unwrap());
        fs_err::create_dir(stage.medium()).unwrap();
        fs_err::write(stage.path("signers"), test_key().public_key().allowed_line("release")).unwrap();
        stage
    }

    /// With a bundle of one volume.
    pub fn new(contents: &Contents, signature: Option<&[u8]>) -> Stage {
        let stage = Stage::empty();
        contents.volumes(signature, None).write_to(&stage.medium());
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn medium(&self) -> PathBuf {
        self.path("medium")
    }

    /// `airlock install …`.
    pub fn install(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("install").args(arguments);
        command.current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// `airlock install MEDIUM --plan …`.
    pub fn plan(&self, arguments: &[&str]) -> Output {
        let medium = self.medium();
        self.install(&[&[medium.to_str().unwrap(), "--plan"], arguments].concat())
    }

    /// A policy by which these checks alone matter, as they do: this machine is what it is.
    pub fn write_policy(&self, but: &[&str]) {
        let mut text = "apiVersion: airlock/v1\nkind: PreflightPolicy\nchecks:\n".to_owned();
        for check in checks::all().filter(|check| !but.contains(&check.id)) {
            text += &format!("  {}: {{severity: info, reason: a test}}\n", check.id);
        }
        fs_err::write(self.path("policy.yaml"), text).unwrap();
    }

    /// Runs `script` in a root, a network and with a name of its own; `airlock` is the program there. Nothing where
    /// that cannot be had.
    pub fn private(&self, script: &str) -> Option<Output> {
        let programs = Path::new(PROGRAM).parent().unwrap();
        let script = format!("PATH={}:$PATH; {script}", programs.display());
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--uts",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-c",
            ENTER,
            "enter",
        ]);
        command.arg(self.0.path()).arg(programs).arg(script).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        if !is_possible() {
            eprintln!("SKIPPED: this needs root, and leave to make namespaces and overlays");
            return None;
        }
        Some(command.output().unwrap())
    }

    /// Status and words, as on every machine.
    pub fn told(&self, output: &Output) -> String {
        let text = String::from_utf8_lossy(&output.stderr).replace(self.0.path().to_str().unwrap(), "STAGE");
        let lines = text.lines().map(|line| format!("{}\n", without_time(line)));
        format!("exit status {}\n{}", output.status.code().unwrap_or(-1), lines.collect::<String>())
    }
}

/// A line without the seconds that something took: `Imported 4.8 KiB in 0.0 s`.
fn without_time(line: &str) -> String {
    match line.rsplit_once(" in ") {
        Some((what, time)) if time.ends_with(" s") => format!("{what} in TIME"),
        _ => line.to_owned(),
    }
}

fn is_possible() -> bool {
    let trial = "mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && \
                 mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--uts", "--net", "--pid", "--fork", "sh", "-c", trial]);
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
