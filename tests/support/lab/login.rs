//! How one gets into a node: the SSH server and the people who may log in, as a site has set them up.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fs_err as fs;

use super::command::run;
use super::{Result, host_key};

/// The person who logs in. Root may as well, with the same key.
pub const OPERATOR: &str = "operator";
/// One host key is enough to be known by, and it is made quickly.
const SSHD: &str = "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\n";
const SUDOERS: &str = "etc/sudoers.d/operator";

/// Settles the root that all nodes of a release share.
pub fn prepare(root: &Path) -> Result<()> {
    let directory = root.to_string_lossy();
    // Debian has a group of this name for itself.
    let settings = ["--create-home", "--shell", "/bin/bash", "--gid", OPERATOR, OPERATOR];
    run("chroot", &[&[&directory, "useradd"], &settings[..]].concat())?;
    fs::write(root.join("etc/ssh/sshd_config.d/lab.conf"), SSHD)?;
    // Those that the package has made would be the same everywhere.
    for entry in fs::read_dir(root.join("etc/ssh"))? {
        let path = entry?.path();
        if path.to_string_lossy().contains("ssh_host_") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Settles one node: its host key, whose key opens it, and sudo without a password.
pub fn admit(root: &Path, public_key: &str) -> Result<()> {
    host_key::make(root)?;
    for (home, owner) in [("root", "root:"), ("home/operator", "operator:")] {
        let directory = root.join(home).join(".ssh");
        let keys = directory.join("authorized_keys");
        if !directory.exists() {
            fs::create_dir(&directory)?;
            fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700))?;
        }
        fs::write(&keys, public_key)?;
        let inside = format!("/{home}/.ssh");
        run("chroot", &[&root.to_string_lossy(), "chown", "--recursive", owner, &inside])?;
    }
    set_sudo_asks(root, false)
}

/// Whether sudo asks the operator for the password.
pub fn set_sudo_asks(root: &Path, asks: bool) -> Result<()> {
    let file = root.join(SUDOERS);
    let tag = if asks { "" } else { "NOPASSWD: " };
    fs::write(&file, format!("{OPERATOR} ALL=(ALL) {tag}ALL\n"))?;
    Ok(fs::set_permissions(&file, std::fs::Permissions::from_mode(0o440))?)
}
