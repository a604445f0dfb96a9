//! What an administrator has to get into the nodes of a lab: a key that opens all of them, and the keys by which they
//! are known.

use std::path::{Path, PathBuf};

use fs_err as fs;

use super::node::Node;
use super::{Result, host_key, login};

/// The key of a lab and what is written about its nodes.
pub struct Access {
    directory: PathBuf,
}

impl Access {
    /// That of the lab in `directory`.
    pub fn of_lab(directory: &Path) -> Access {
        Access { directory: directory.to_path_buf() }
    }

    /// Makes the key, if there is none.
    pub fn prepare(&self) -> Result<()> {
        if self.key().exists() { Ok(()) } else { host_key::write(&self.key(), "lab") }
    }

    /// The private key: OpenSSH's format, mode 0600, no passphrase.
    pub fn key(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// A line of `authorized_keys`.
    pub fn public_key(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.join("key.pub"))?)
    }

    /// Writes a file of known hosts (sshd(8)) with the keys that these nodes have now, under their names and addresses.
    pub fn write_known_hosts(&self, nodes: &[Node]) -> Result<PathBuf> {
        let mut lines = String::new();
        for node in nodes {
            let key = host_key::public(&node.root())?.to_openssh()?;
            lines += &format!("{},{} {key}\n", node.name(), node.address());
        }
        let file = self.directory.join("known_hosts");
        fs::write(&file, lines)?;
        Ok(file)
    }

    /// An inventory of Ansible in which the first node is the server and the others are agents.
    pub fn inventory(&self, nodes: &[Node]) -> String {
        let key = self.key();
        let line = |node: &Node| {
            let (name, address, key) = (node.name(), node.address(), key.display());
            let user = login::OPERATOR;
            format!(
                "{name} ansible_host={address} ansible_user={user} ansible_ssh_private_key_file='{key}'\n"
            )
        };
        let names =
            |nodes: &[Node]| nodes.iter().map(|node| format!("{}\n", node.name())).collect::<String>();
        let (first, others) = nodes.split_at(nodes.len().min(1));
        let hosts: String = nodes.iter().map(line).collect();
        let (server, agents) = (names(first), names(others));
        format!("{hosts}\n[master]\n{server}\n[worker]\n{agents}\n[registry]\n{server}")
    }
}
