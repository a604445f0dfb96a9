//! The machine that nodes are reached from: this one, with its programs and files, but in the network of the lab, and
//! with a home of its own.
//!
//! `ssh` takes the home of a user from `/etc/passwd`, whatever `HOME` says (ssh(1), FILES); so what runs here sees another
//! `/etc/passwd`, and finds the nodes by their names in another `/etc/hosts`. All of it is seen by what is started here alone.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use fs_err as fs;

use super::Result;
use super::cable::{Cable, Traffic};
use super::command::command;
use super::node::Node;

/// `sh -c SCRIPT sh DIRECTORY COMMAND…`, in a mount namespace of its own, which `ip netns exec` makes.
const ENTER: &str = r#"for f in passwd hosts; do mount --bind "$1/$f" "/etc/$f" || exit 125; done
mount --bind "$1/tmp" /mnt || exit 125
shift; exec "$@""#;
/// Where [`Provisioner::temporary`] is for what runs there: the names of sockets must not be long (unix(7)).
const TEMPORARY: &str = "/mnt";

/// The machine of an administrator in a lab.
pub struct Provisioner {
    namespace: String,
    switch: String,
    port: String,
    directory: PathBuf,
}

impl Provisioner {
    /// That of the lab whose switch has it in `port`; `directory` is where its home is.
    pub(super) fn new(namespace: &str, switch: &str, port: &str, directory: &Path) -> Provisioner {
        let [namespace, switch, port] = [namespace, switch, port].map(str::to_owned);
        Provisioner { namespace, switch, port, directory: directory.to_path_buf() }
    }

    /// Makes what is missing, and lets it know these nodes.
    pub(super) fn prepare(&self, nodes: &[Node], known_hosts: &Path) -> Result<()> {
        for directory in [self.home(), self.home().join(".ssh"), self.temporary()] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        }
        let home = self.home();
        let root = format!("root:x:0:0:root:{}:/bin/bash\n", home.display());
        let users = fs::read_to_string("/etc/passwd")?;
        let others = users.lines().filter(|line| !line.starts_with("root:"));
        fs::write(
            self.directory.join("passwd"),
            root + &others.map(|line| format!("{line}\n")).collect::<String>(),
        )?;
        let names = nodes.iter().map(|node| format!("{} {}\n", node.address(), node.name()));
        fs::write(
            self.directory.join("hosts"),
            format!("127.0.0.1 localhost\n{}", names.collect::<String>()),
        )?;
        fs::copy(known_hosts, home.join(".ssh/known_hosts"))?;
        Ok(())
    }

    /// The home of its administrator.
    pub fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// Where its programs put what they need for a moment, as this machine sees it. For them it is `TMPDIR` and
    /// `XDG_RUNTIME_DIR`.
    pub fn temporary(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// A program of this machine, started there. Of the environment it has what it needs and nothing else.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let directory = self.directory.to_string_lossy();
        let enter = ["netns", "exec", &self.namespace, "sh", "-c", ENTER, "sh", &directory, program];
        let mut command = command("ip", &[&enter, arguments].concat());
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value);
        let path = path.unwrap_or_default().to_owned();
        command.env_clear().env("PATH", path).env("LC_ALL", "C.UTF-8").env("USER", "root");
        command.env("HOME", self.home()).env("TMPDIR", TEMPORARY);
        command.env("XDG_RUNTIME_DIR", TEMPORARY);
        command
    }

    /// What went through its cable.
    pub fn traffic(&self) -> Result<Traffic> {
        self.cable().traffic()
    }

    /// Its cable at the switch.
    pub fn cable(&self) -> Cable<'_> {
        Cable::in_port(&self.switch, self.port.clone())
    }
}
