//! What goes wrong with a node, or is not as others expect it.

use std::io::Write as _;
use std::process::Stdio;

use fs_err as fs;

use super::super::command::said;
use super::super::{Result, clock, host_key, login, rootfs_settings};
use super::Node;

impl Node {
    /// Lets it hang: no process of it runs, its kernel still answers. Nothing is lost.
    pub fn hang(&self) -> Result<()> {
        self.machine.set_frozen(true)
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.machine.set_frozen(false)
    }

    /// Fills its disk: `/var/lib` is a file system of its own afterwards, in which this many bytes are left. The node is
    /// booted again.
    pub fn fill_disk(&self, left: u64) -> Result<()> {
        self.shut_down()?;
        self.disk.add_small()?;
        self.disk.fill(left)?;
        self.boot()
    }

    /// Makes room again on the disk that [`Node::fill_disk`] has filled.
    pub fn make_room(&self) -> Result<()> {
        self.disk.make_room()
    }

    /// Lets the clock of the node be wrong by this many seconds, for programs that start from now on; 0 makes it right.
    ///
    /// Nodes share the clock of the kernel, and no namespace changes the time of day (time_namespaces(7)). So programs
    /// are made to believe it, those that are linked dynamically. A static program and what runs already see the true
    /// time.
    pub fn set_clock_offset(&self, seconds: i64) -> Result<()> {
        clock::set_offset(&self.disk.root(), seconds)?;
        self.restart_sshd()
    }

    /// Another host key, as after an installation from scratch, or with somebody in between.
    pub fn replace_host_key(&self) -> Result<()> {
        host_key::make(&self.disk.root())?;
        self.restart_sshd()
    }

    // Sessions live on. A node that does not run reads its settings at the next boot.
    fn restart_sshd(&self) -> Result<()> {
        if self.is_running()? { self.systemctl(&["restart", "ssh"]).map(drop) } else { Ok(()) }
    }

    /// Its host key: `SHA256:…`, as `ssh` shows it at the first contact.
    pub fn host_key_fingerprint(&self) -> Result<String> {
        host_key::fingerprint(&self.disk.root())
    }

    /// Gives it another host name. The lab goes on calling it by the old one.
    pub fn set_hostname(&self, name: &str) -> Result<()> {
        rootfs_settings::name(&self.disk.root(), name)?;
        if self.is_running()? { self.succeed(&["hostname", name]).map(drop) } else { Ok(()) }
    }

    /// Lets sudo ask the operator for this password, or for none. The node has to run.
    pub fn set_sudo_password(&self, password: Option<&str>) -> Result<()> {
        if let Some(password) = password {
            let mut chpasswd = self.command(&["chpasswd"])?;
            chpasswd.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut chpasswd = chpasswd.spawn()?;
            if let Some(mut stdin) = chpasswd.stdin.take() {
                writeln!(stdin, "{}:{password}", login::OPERATOR)?;
            }
            let output = chpasswd.wait_with_output()?;
            if !output.status.success() {
                return Err(format!("chpasswd: {}", said(&output)).into());
            }
        }
        login::set_sudo_asks(&self.disk.root(), password.is_some())
    }

    /// What is on its disk below an absolute path, whether it runs or not.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        Ok(fs::read(self.inside(path)?)?)
    }
}
