//! The archive of a distribution as this machine's own apt knows it: where it is, and who signs it.

use super::Machine;
use super::release::{Family, Release, is_security};
use crate::debian::sources::{self, SignedBy, Source};
use crate::error::Result;

/// What this machine knows of the archive of a distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Where it is.
    pub(super) uri: Option<String>,
    /// Where its security updates are, if the machine takes any.
    pub(super) security_uri: Option<String>,
    /// Whose signature counts; empty for whatever keyring the distribution has.
    pub(super) signed_by: Vec<SignedBy>,
}

impl Known {
    /// Looks for the archive that has packages of `release` for `architecture`.
    ///
    /// # Errors
    /// Those of [`sources::parse`].
    pub(super) fn of(machine: &Machine, release: &Release, architecture: &str) -> Result<Known> {
        let mut all = Vec::new();
        for (path, text) in &machine.sources {
            all.extend(sources::parse(&path.display().to_string(), text)?);
        }
        let usable = |source: &&Source| {
            source.enabled
                && source.has_architecture(architecture)
                && source.components.iter().any(|component| component == "main")
                && source.suites.iter().any(|suite| family(suite) == Some(release.family))
        };
        let mut own: Vec<&Source> = all.iter().filter(usable).collect();
        // Other repositories may have a suite of that name, but no updates for the release.
        own.sort_by_key(|source| !has_updates(source, &all));
        let base = own.iter().find(|source| !source.suites.iter().any(|suite| is_security(suite)));
        let base = base.or_else(|| own.first());
        let security = own.iter().find(|source| source.suites.iter().any(|suite| is_security(suite)));
        Ok(Known {
            uri: base.and_then(|source| web_address(source)),
            security_uri: security.and_then(|source| web_address(source)),
            signed_by: base.map(|source| source.signed_by.clone()).unwrap_or_default(),
        })
    }
}

/// The family a suite belongs to, also by its other names.
fn family(suite: &str) -> Option<Family> {
    let stable = ["stable", "oldstable", "testing", "unstable"];
    let pocket = |name: &str| name.split(['-', '/']).next().unwrap_or_default().to_owned();
    Family::of_suite(suite).or_else(|| stable.contains(&pocket(suite).as_str()).then_some(Family::Debian))
}

/// Whether one of the addresses of `source` is also where updates of a release come from.
fn has_updates(source: &Source, all: &[Source]) -> bool {
    let same_place = |other: &&Source| other.uris.iter().any(|uri| source.uris.contains(uri));
    let pocket = |suite: &String| suite.ends_with("-updates") || is_security(suite);
    all.iter().filter(same_place).any(|other| other.suites.iter().any(pocket))
}

/// The first address that can be fetched from; apt also knows local directories and CD-ROMs.
fn web_address(source: &Source) -> Option<String> {
    let is_web = |uri: &&String| uri.starts_with("http://") || uri.starts_with("https://");
    source.uris.iter().find(is_web).cloned()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn known(host: &str, sources: &str) -> Known {
        let machine = Machine {
            sources: vec![(PathBuf::from("sources.list"), sources.to_owned())],
            keyring_directories: Vec::new(),
        };
        Known::of(&machine, &Release::of(host).unwrap(), "amd64").unwrap()
    }

    const DEBIAN: &str = "\
deb [arch=amd64] https://third.example.com/tools bookworm main
deb cdrom:[disc]/ bookworm main
deb [signed-by=/keys/a.gpg] http://a.example.com/debian bookworm main contrib
deb http://a.example.com/debian bookworm-updates main
deb http://b.example.com/debian-security bookworm-security main
deb-src http://c.example.com/debian bookworm main
";

    #[test]
    fn the_archive_is_where_updates_come_from_too() {
        for host in ["debian-12", "debian-13", "debian-sid"] {
            let found = known(host, DEBIAN);
            assert_eq!(found.uri.as_deref(), Some("http://a.example.com/debian"), "{host}");
            assert_eq!(found.security_uri.as_deref(), Some("http://b.example.com/debian-security"));
            assert_eq!(found.signed_by, [SignedBy::Path("/keys/a.gpg".to_owned())]);
        }
    }

    #[test]
    fn other_families_architectures_and_directories_do_not_count() {
        assert_eq!(known("ubuntu-24.04", DEBIAN), Known::default());
        assert_eq!(known("debian-12", "deb file:/mirror bookworm main\n").uri, None);
        assert_eq!(known("debian-12", "deb [arch=arm64] http://a.example.com bookworm main\n").uri, None);
        assert_eq!(known("debian-12", ""), Known::default());
    }

    #[test]
    fn ubuntu_has_its_security_updates_at_one_address_with_the_rest() {
        let found = known(
            "ubuntu-22.04",
            "deb https://private.example.com/x noble main\n\
             deb http://u.example.com/ubuntu noble main\ndeb http://u.example.com/ubuntu noble-updates main\n\
             deb http://u.example.com/ubuntu noble-security main\n",
        );
        assert_eq!(found.uri.as_deref(), Some("http://u.example.com/ubuntu"));
        assert_eq!(found.security_uri, found.uri);
    }

    #[test]
    fn suites_by_their_other_names_belong_to_debian() {
        let found = known("debian-13", "deb http://a.example.com/debian stable main\n");
        assert_eq!(found.uri.as_deref(), Some("http://a.example.com/debian"));
        assert_eq!(found.security_uri, None);
    }
}
