//! Network file systems that a node mounts: units of systemd, two for each.
//!
//! The automount unit is what starts at boot: it mounts when somebody looks, and again after the server was away. So
//! neither the boot nor k3s waits for a server that is down, and nothing is written into the empty directory instead.
//! Installing mounts each of them once, to see that it can be.

mod step;
mod unit;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::step::Mounts;
pub use self::unit::unit_name;
use super::settings::{check_host, check_path};

/// A network file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NfsMount {
    /// What is mounted: `HOST:/path`.
    pub source: String,
    /// Where, absolute.
    pub path: String,
    /// As in nfs(5), with commas: `ro,vers=4.2`. Otherwise those of the system.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub options: String,
}

/// Directories that the system or airlock needs as they are: nothing is mounted over them or into them …
const OF_THE_SYSTEM: [&str; 13] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    crate::node::STATE_DIRECTORY,
];
/// … and those into which something may be mounted, but not over them.
const SHARED: [&str; 3] = ["/tmp", "/var", "/var/lib"];

impl NfsMount {
    /// Checks what the types do not.
    ///
    /// # Errors
    /// What cannot be: the key, its value, and the reason.
    pub fn check(&self) -> Result<(), (&'static str, String, &'static str)> {
        check_source(&self.source).map_err(|why| ("source", self.source.clone(), why))?;
        check_place(&self.path).map_err(|why| ("path", self.path.clone(), why))?;
        let fits = |character: char| character.is_ascii_alphanumeric() || "=,._:/-".contains(character);
        match self.options.chars().all(fits) {
            true => Ok(()),
            false => Err((
                "options",
                self.options.clone(),
                "letters, digits, `=`, `.`, `_`, `:`, `/`, `-` and commas",
            )),
        }
    }
}

/// Whether something may be mounted there.
///
/// # Errors
/// Why not.
pub fn check_place(path: &str) -> Result<(), &'static str> {
    check_path(path)?;
    let is_inside = |directory: &&str| {
        path.strip_prefix(*directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match OF_THE_SYSTEM.iter().any(is_inside) || SHARED.contains(&path) {
        true => Err("a directory of its own, such as `/data` or `/mnt/data`, none that the system needs"),
        false => Ok(()),
    }
}

/// `HOST:/path` (nfs(5)); an IPv6 address stands in brackets.
fn check_source(source: &str) -> Result<(), &'static str> {
    let wrong = "it is HOST:/path";
    let (host, path) = source.split_once(":/").ok_or(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    check_host(host).map_err(|_| wrong)?;
    if path.is_empty() { Ok(()) } else { check_path(&format!("/{path}")).map_err(|_| wrong) }
}

/// Checks all of them.
///
/// # Errors
/// As for [`NfsMount::check`]; two in one place.
pub fn check(mounts: &[NfsMount]) -> Result<(), (&'static str, String, &'static str)> {
    for (index, mount) in mounts.iter().enumerate() {
        mount.check()?;
        if mounts[..index].iter().any(|other| other.path == mount.path) {
            return Err(("path", mount.path.clone(), "something else is mounted there"));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn mount(source: &str, path: &str, options: &str) -> NfsMount {
        NfsMount { source: source.to_owned(), path: path.to_owned(), options: options.to_owned() }
    }

    #[test]
    fn words_are_such_that_units_can_hold_them() {
        for good in [
            mount("nas.lab:/export/data", "/data", ""),
            mount("10.0.0.9:/", "/srv/data-1", "ro,vers=4.2"),
            mount("[fd00::9]:/export", "/var/lib/rancher/data", "sec=krb5"),
        ] {
            assert_eq!(good.check(), Ok(()), "{good:?}");
        }
        for (key, bad) in [
            ("source", mount("nas", "/data", "")),
            ("source", mount("nas:export", "/data", "")),
            ("source", mount("-o:/export", "/data", "")),
            ("source", mount("nas:/a b", "/data", "")),
            ("source", mount("nas:/a%b", "/data", "")),
            ("path", mount("nas:/export", "data", "")),
            ("path", mount("nas:/export", "/data/../etc", "")),
            ("path", mount("nas:/export", "/", "")),
            ("path", mount("nas:/export", "/etc/x", "")),
            ("path", mount("nas:/export", "/root/data", "")),
            ("path", mount("nas:/export", "/var", "")),
            ("path", mount("nas:/export", "/var/lib/airlock/store", "")),
            ("path", mount("nas:/export", "/data\n[Service]", "")),
            ("options", mount("nas:/export", "/data", "ro vers=4")),
            ("options", mount("nas:/export", "/data", "ro\nType=ext4")),
        ] {
            assert_eq!(bad.check().unwrap_err().0, key, "{bad:?}");
        }
        let twice = [mount("nas:/a", "/data", ""), mount("nas:/b", "/data", "")];
        assert_eq!(check(&twice).unwrap_err().0, "path");
    }
}
