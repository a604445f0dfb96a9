//! What dpkg has on the node: its status file, and the changes that it has not put into that yet.

use std::collections::HashMap;

use crate::debian::package::{Flag, Package, State, Status, Want, parse_status};
use crate::debian::version::Version;
use crate::error::Result;
use crate::node::machine::Machine;

/// The file (dpkg(1), "FILES").
const STATUS: &str = "/var/lib/dpkg/status";

/// Changes that a running or killed dpkg has written down one by one, in files with numbers for names.
const UPDATES: &str = "/var/lib/dpkg/updates";

/// The packages of a machine, as far as they are on its disk.
#[derive(Clone, Debug, Default)]
pub struct Database {
    entries: HashMap<(String, String), Entry>,
    /// Whether dpkg was ended before it could put its changes together.
    pub is_torn: bool,
}

/// A package that is on the disk, be it whole or broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// Its version.
    pub version: String,
    /// How far it is installed, and what is wanted of it.
    pub status: Status,
}

impl Entry {
    /// As dpkg names it without doubt: `nfs-common:amd64`.
    pub fn full_name(&self) -> String {
        format!("{}:{}", self.name, self.architecture)
    }

    /// Whether the administrator keeps it at its version.
    pub fn is_held(&self) -> bool {
        self.status.want == Want::Hold
    }

    /// Whether dpkg has come to an end with it. Waiting triggers are run by whoever comes next.
    pub fn is_finished(&self) -> bool {
        self.status.flag == Flag::Ok && self.status.state >= State::TriggersAwaited
    }

    /// Whether only a part of it may be on the disk.
    pub fn is_half_unpacked(&self) -> bool {
        self.status.flag == Flag::ReinstallRequired || self.status.state == State::HalfInstalled
    }

    /// Whether it is `version` or newer. Versions that cannot be compared are not.
    pub fn is_at_least(&self, version: &str) -> bool {
        match (Version::parse(&self.version), Version::parse(version)) {
            (Ok(own), Ok(wanted)) => own >= wanted,
            _ => false,
        }
    }
}

impl Database {
    /// Reads what is on a machine; nothing if it has no dpkg.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`](crate::error::codes::NODE_FILE), and those of [`parse_status`].
    pub fn read(machine: &Machine) -> Result<Database> {
        let mut database = Database::default();
        database.add(&machine.read(STATUS)?.unwrap_or_default())?;
        for file in updates(machine)? {
            database.is_torn = true;
            database.add(&machine.read(&file)?.unwrap_or_default())?;
        }
        Ok(database)
    }

    /// Adds what a status file says; later words replace earlier ones.
    fn add(&mut self, text: &[u8]) -> Result<()> {
        let text = without_padding(text);
        for package in parse_status(&text)? {
            let Package { name, version, architecture, status: Some(status), .. } = package else { continue };
            let (name, architecture) = (name.to_owned(), architecture.to_owned());
            let version = version.as_str().to_owned();
            let key = (name.clone(), architecture.clone());
            self.entries.insert(key, Entry { name, architecture, version, status });
        }
        Ok(())
    }

    /// A package by its name, with `:architecture` if that is neither `native` nor `all`.
    pub fn find(&self, package: &str, native: &str) -> Option<&Entry> {
        let get =
            |name: &str, architecture: &str| self.entries.get(&(name.to_owned(), architecture.to_owned()));
        match package.split_once(':') {
            Some((name, architecture)) => get(name, architecture),
            None => get(package, native).or_else(|| get(package, "all")),
        }
    }

    /// Whether a package of this name is there, for whatever architecture.
    pub fn has(&self, name: &str) -> bool {
        self.entries().any(|entry| entry.name == name || entry.full_name() == name)
    }

    /// Every package, in no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Full names of the packages that dpkg has not come to an end with, sorted.
    pub fn unfinished(&self) -> Vec<String> {
        let unfinished = self.entries().filter(|entry| !entry.is_finished());
        let mut names: Vec<String> = unfinished.map(Entry::full_name).collect();
        names.sort_unstable();
        names
    }
}

/// Files with changes, in the order in which they were written.
fn updates(machine: &Machine) -> Result<Vec<String>> {
    let names = machine.names(UPDATES)?.into_iter();
    let names = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    Ok(names.map(|name| format!("{UPDATES}/{name}")).collect())
}

/// dpkg makes these files long enough in advance, by lines that begin with `#`.
fn without_padding(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.filter(|line| !line.starts_with(b"#")).flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    fn stanza(name: &str, version: &str, architecture: &str, status: &str) -> String {
        format!("Package: {name}\nStatus: {status}\nArchitecture: {architecture}\nVersion: {version}\n\n")
    }

    fn database(status: &str, updates: &[(&str, String)]) -> Database {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(root.path().join("var/lib/dpkg/updates")).unwrap();
        fs_err::write(root.path().join("var/lib/dpkg/status"), status).unwrap();
        for (name, text) in updates {
            fs_err::write(root.path().join("var/lib/dpkg/updates").join(name), text).unwrap();
        }
        Database::read(&Machine::new(root.path(), Arc::new(SystemPrograms))).unwrap()
    }

    #[test]
    fn packages_are_found_by_name_and_architecture() {
        let status = stanza("curl", "7.88", "amd64", "install ok installed")
            + &stanza("tzdata", "2026a-1", "all", "hold ok installed")
            + &stanza("libgl1", "1.6", "i386", "install ok installed")
            + &stanza("gone", "1", "amd64", "deinstall ok config-files");
        let database = database(&status, &[]);
        assert!(database.find("curl", "amd64").unwrap().is_at_least("7.88~1"));
        assert!(!database.find("curl", "amd64").unwrap().is_at_least("1:0"));
        assert!(database.find("tzdata", "amd64").unwrap().is_held());
        assert!(database.find("libgl1", "amd64").is_none());
        assert_eq!(database.find("libgl1:i386", "amd64").unwrap().full_name(), "libgl1:i386");
        assert!(database.find("gone", "amd64").is_none(), "only its configuration is there");
        assert!(database.unfinished().is_empty() && !database.is_torn);
    }

    #[test]
    fn what_a_killed_dpkg_has_written_down_counts() {
        let status = stanza("haproxy", "2.6", "amd64", "install ok installed");
        let updates = [
            ("0001", stanza("haproxy", "2.7", "amd64", "install ok unpacked")),
            ("0000", stanza("haproxy", "2.6", "amd64", "install reinstreq half-installed")),
            (
                "0002",
                format!("#padding\n#\n{}", stanza("keepalived", "1", "amd64", "install ok half-configured")),
            ),
            ("tmp.i", "Package: torn".to_owned()),
        ];
        let database = database(&status, &updates);
        assert!(database.is_torn);
        assert_eq!(database.find("haproxy", "amd64").unwrap().version, "2.7");
        assert_eq!(database.unfinished(), ["haproxy:amd64", "keepalived:amd64"]);
    }

    #[test]
    fn a_machine_without_dpkg_has_no_packages() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        assert_eq!(Database::read(&machine).unwrap().entries().count(), 0);
    }
}
