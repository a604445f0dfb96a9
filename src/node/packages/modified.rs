//! Packages whose files on the disk are not those that were unpacked (dpkg(1), `--verify`).

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Database, Packages};
use crate::error::Result;
use crate::node::machine::{Call, Machine};

/// Reading every file of some hundred packages on a slow disk.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// Where only documentation lies, which many images of machines leave out on purpose (dpkg(1), `--path-exclude`).
const DOCUMENTATION: [&str; 5] =
    ["/usr/share/doc/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/man/", "/usr/share/lintian/"];

/// A package that is not as it was unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modified {
    /// Its full name: `curl:amd64`.
    pub name: String,
    /// The version that is installed.
    pub version: String,
    /// Files with other bytes.
    pub changed: Vec<String>,
    /// Files that are gone.
    pub missing: Vec<String>,
    /// Whether the bundle has exactly this version.
    pub is_in_bundle: bool,
}

impl Packages {
    /// Packages of the bundle that are installed on the machine: full name and version, sorted.
    ///
    /// # Errors
    /// Those of [`Database::read`].
    pub fn installed(&self, machine: &Machine) -> Result<BTreeSet<(String, String)>> {
        let database = Database::read(machine)?;
        let found = self.apt.packages.iter().filter_map(|package| {
            let entry = database.find(&format!("{}:{}", package.name, package.architecture), "")?;
            entry.is_finished().then(|| (entry.full_name(), entry.version.clone()))
        });
        Ok(found.collect())
    }

    /// Those of `names` that are not as they were unpacked. Configuration files belong to the administrator and do
    /// not count. dpkg does not say whose file it tells of, so that it is asked about all at once first, and then
    /// about each.
    ///
    /// # Errors
    /// If dpkg cannot be run.
    pub fn modified(&self, machine: &Machine, names: &BTreeSet<(String, String)>) -> Result<Vec<Modified>> {
        let all = names.iter().map(|(name, _)| name.clone());
        if names.is_empty() || parse(&verify(machine, all)?).is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for (name, version) in names {
            let differing = parse(&verify(machine, [name.clone()])?);
            if differing.is_empty() {
                continue;
            }
            let (missing, changed): (Vec<_>, Vec<_>) =
                differing.into_iter().partition(|file| file.is_missing);
            let [changed, missing] =
                [changed, missing].map(|files| files.into_iter().map(|file| file.path).collect());
            let is_in_bundle = self.has(name, version);
            found.push(Modified {
                name: name.clone(),
                version: version.clone(),
                changed,
                missing,
                is_in_bundle,
            });
        }
        Ok(found)
    }

    fn has(&self, full_name: &str, version: &str) -> bool {
        self.apt.packages.iter().any(|package| {
            format!("{}:{}", package.name, package.architecture) == full_name && package.version == version
        })
    }
}

/// What dpkg says about packages. Its status only repeats whether it says anything.
fn verify(machine: &Machine, names: impl IntoIterator<Item = String>) -> Result<String> {
    let call = Call::new("dpkg").with(["--verify"]).with(names).within(DEADLINE);
    let finished = machine.run(&call)?;
    match finished.status {
        Some(0 | 1) => Ok(finished.output),
        _ => Err(finished.into_error(&call)),
    }
}

/// A line of dpkg about a file.
#[derive(Debug, PartialEq, Eq)]
struct Differing {
    path: String,
    is_missing: bool,
}

/// Lines such as `??5?????? c /etc/hosts` or `missing     /usr/bin/curl (No such file or directory)`; `c` marks a
/// configuration file.
fn parse(output: &str) -> Vec<Differing> {
    let line = |line: &str| {
        let (check, rest) = line.split_once(' ')?;
        let (attributes, path) = rest.split_at_checked(rest.find('/')?)?;
        let is_missing = check == "missing";
        let path = path.split(" (").next().unwrap_or(path).to_owned();
        let is_documentation = DOCUMENTATION.iter().any(|directory| path.starts_with(directory));
        let counts = attributes.trim() != "c" && (is_missing && !is_documentation || check.contains('5'));
        counts.then_some(Differing { path, is_missing })
    };
    output.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_and_left_out_documentation_do_not_count() {
        let output = "??5?????? c /etc/haproxy/haproxy.cfg\n\
                      ??5??????   /usr/sbin/haproxy\n\
                      missing     /usr/share/doc/haproxy/README.gz\n\
                      ??5??????   /usr/share/doc/haproxy/copyright\n\
                      missing   c /etc/default/haproxy\n\
                      missing     /usr/lib/a b.so (No such file or directory)\n\
                      ?????????   /usr/bin/unreadable\n\
                      garbage\n";
        let found: Vec<_> = parse(output).into_iter().map(|file| (file.path, file.is_missing)).collect();
        let expected = [
            ("/usr/sbin/haproxy", false),
            ("/usr/share/doc/haproxy/copyright", false),
            ("/usr/lib/a b.so", true),
        ];
        assert_eq!(found, expected.map(|(path, is_missing)| (path.to_owned(), is_missing)));
    }
}
