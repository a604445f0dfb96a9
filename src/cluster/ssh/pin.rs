//! Which key a host shows, and whether it is one that the inventory names.

use std::path::Path;

use super::connection::Caller;
use super::host_key::{self, KINDS, Offered};
use super::openssh::{option, options, start};
use super::{failure, words};
use crate::error::{Error, Result, codes};

impl Caller<'_> {
    /// Makes the `known_hosts` of our own if the inventory names keys of the host. False if it names none.
    pub(super) fn pin(&self) -> Result<bool> {
        if self.ssh.host_keys.is_empty() {
            return Ok(false);
        }
        let mut seen = Vec::new();
        let mut failure = None;
        for (number, kind) in KINDS.iter().enumerate() {
            match self.offered(&number.to_string(), Some(kind)) {
                Ok(offered) => seen.extend(offered),
                // It may just have no key of this kind.
                Err(error) if error.code() == codes::SSH_FAILED => failure = Some(error),
                Err(error) => return Err(error),
            }
            if let Some(key) = seen.iter().find(|key| self.ssh.host_keys.contains(&key.fingerprint)) {
                write(&self.known_hosts, &format!("{}\n", key.line))?;
                return Ok(true);
            }
        }
        match failure {
            Some(error) if seen.is_empty() => Err(error),
            _ => Err(host_key::not_in_inventory(self.host, &self.ssh.host_keys, &seen)),
        }
    }

    /// The keys that the host shows to somebody who does not log in.
    pub(super) fn offered(&self, name: &str, kind: Option<&str>) -> Result<Vec<Offered>> {
        let file = self.known_hosts.with_extension(name);
        let mut command = self.settings.openssh();
        let accepting =
            ["StrictHostKeyChecking=accept-new", "HashKnownHosts=no", "PreferredAuthentications=none"];
        options(
            &mut command,
            accepting.into_iter().chain([
                "ControlMaster=no",
                "ControlPath=none",
                "GlobalKnownHostsFile=/dev/null",
            ]),
        );
        command.arg("-o").arg(option("UserKnownHostsFile=", &file));
        if let Some(kind) = kind {
            command.args(["-o", &format!("HostKeyAlgorithms={kind}")]);
        }
        self.usual(&mut command);
        command.args(words::destination(self.ssh)?).arg("exit");
        let mut process = start(command)?;
        let last =
            self.end_of(&mut process, self.settings.patience.connect + self.settings.patience.silence)?;
        let known = fs_err::read_to_string(&file).unwrap_or_default();
        let _ = fs_err::remove_file(&file);
        let offered: Vec<Offered> = known.lines().filter_map(host_key::parse).collect();
        match offered.is_empty() {
            true => Err(failure::explain(&self.host.name, self.ssh, &last)),
            false => Ok(offered),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs_err::write(path, text).map_err(|error| {
        Error::new(codes::SSH_FAILED, "the host key cannot be kept in a temporary file")
            .with_help("see whether the disk of this machine is full: `df -h`")
            .with_source(error)
    })
}
