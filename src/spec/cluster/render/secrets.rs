//! The files beside a `cluster.yaml` that hold its secrets.

use crate::cluster::inventory::{Host, Inventory};
use crate::secret::Secret;

/// Names of files, and what belongs into them.
#[derive(Debug, Default)]
pub struct SecretFiles {
    token: Option<(String, Secret<String>)>,
    sudo_passwords: Vec<(String, Secret<String>)>,
}

impl SecretFiles {
    /// Files for every secret of an inventory; equal passwords share one. The names begin with `stem`.
    pub fn plan(inventory: &Inventory, stem: &str) -> SecretFiles {
        let token = inventory.cluster.token.clone().map(|token| (format!("{stem}-token"), token));
        let mut sudo_passwords: Vec<(String, Secret<String>)> = Vec::new();
        for host in &inventory.hosts {
            let Some(password) = host.connection.sudo_password() else { continue };
            if sudo_passwords.iter().any(|(_, known)| known == password) {
                continue;
            }
            let name = match sudo_passwords.is_empty() {
                true => format!("{stem}-sudo-password"),
                false => format!("{stem}-sudo-password-{}", sudo_passwords.len() + 1),
            };
            sudo_passwords.push((name, password.clone()));
        }
        SecretFiles { token, sudo_passwords }
    }

    /// All files, each with its content.
    pub fn all(&self) -> impl Iterator<Item = &(String, Secret<String>)> {
        self.token.iter().chain(&self.sudo_passwords)
    }

    pub(super) fn token_file(&self) -> Option<&str> {
        self.token.as_ref().map(|(name, _)| name.as_str())
    }

    pub(super) fn sudo_password_file(&self, host: &Host) -> Option<&str> {
        let password = host.connection.sudo_password()?;
        let known = self.sudo_passwords.iter().find(|(_, known)| known == password);
        known.map(|(name, _)| name.as_str())
    }
}
