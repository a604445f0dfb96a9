//! The Debian releases that nodes can have, and what is installed on them.

use std::str::FromStr;

/// A release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

/// What a server of a site has beside the essential packages.
const PACKAGES: &[&str] = &[
    "apt",
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "needrestart",
    "openssh-server",
    "procps",
    "sudo",
    "systemd",
    "systemd-sysv",
];

impl Release {
    /// The code name.
    pub fn as_str(self) -> &'static str {
        match self {
            Release::Bookworm => "bookworm",
            Release::Trixie => "trixie",
        }
    }

    /// The packages that are installed beside the essential ones.
    pub fn packages(self) -> &'static [&'static str] {
        PACKAGES
    }

    /// What mmdebstrap is told besides.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            // As debootstrap does it, without usrmerge and the Perl that it needs.
            Release::Bookworm => &["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"],
            Release::Trixie => &[],
        }
    }
}

impl FromStr for Release {
    type Err = Box<dyn std::error::Error>;

    fn from_str(word: &str) -> Result<Release, Self::Err> {
        let all = [Release::Bookworm, Release::Trixie];
        let found = all.into_iter().find(|release| release.as_str() == word);
        found.ok_or_else(|| format!("`{word}` is neither bookworm nor trixie").into())
    }
}
