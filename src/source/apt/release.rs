//! The releases airlock knows: which suites they have, and how their apt decides.

use crate::debian::solver::Profile;
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Who makes a distribution, and with it: how its archive is laid out, and which keyring signs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Debian,
    Ubuntu,
}

/// A release of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// As the spec calls it.
    pub(super) host: &'static str,
    pub(super) family: Family,
    /// Its main suite, from which the names of the others follow.
    pub(super) codename: &'static str,
    /// How its apt decides.
    pub(super) profile: Profile,
}

/// One line per release.
#[rustfmt::skip]
const RELEASES: [Release; 7] = [
    Release { host: "debian-11", family: Family::Debian, codename: "bullseye", profile: Profile::Apt24 },
    Release { host: "debian-12", family: Family::Debian, codename: "bookworm", profile: Profile::Classic },
    Release { host: "debian-13", family: Family::Debian, codename: "trixie", profile: Profile::Classic },
    Release { host: "debian-sid", family: Family::Debian, codename: "sid", profile: Profile::Solver3 },
    Release { host: "ubuntu-22.04", family: Family::Ubuntu, codename: "jammy", profile: Profile::Apt24 },
    Release { host: "ubuntu-24.04", family: Family::Ubuntu, codename: "noble", profile: Profile::Classic },
    Release { host: "ubuntu-26.04", family: Family::Ubuntu, codename: "resolute", profile: Profile::Solver3 },
];

impl Release {
    /// The release the spec calls `host`.
    pub(super) fn of(host: &str) -> Result<Release> {
        RELEASES.into_iter().find(|release| release.host == host).ok_or_else(|| {
            let known: Vec<&str> = RELEASES.iter().map(|release| release.host).collect();
            Error::new(codes::APT_HOST_UNKNOWN, format!("the suites of `{}` are not known", quote(host)))
                .with_help(format!("packages can be carried for {}", known.join(", ")))
        })
    }

    /// The suites that an installation of it has in its list of sources, in their usual order.
    pub(super) fn suites(&self) -> Vec<String> {
        let suite = |pocket: &str| format!("{}{pocket}", self.codename);
        let pockets: &[&str] = if self.is_rolling() { &[""] } else { &["", "-updates", "-security"] };
        pockets.iter().map(|pocket| suite(pocket)).collect()
    }

    /// Whether it has no releases, but only goes on.
    fn is_rolling(&self) -> bool {
        self.codename == "sid"
    }
}

impl Family {
    /// The family that has a suite of this name, if any release airlock knows has.
    pub(super) fn of_suite(suite: &str) -> Option<Family> {
        let known = RELEASES.iter().find(|release| release.suites().iter().any(|known| known == suite));
        known.map(|release| release.family)
    }

    /// What its keyring is called, without directory and ending.
    pub(super) fn keyring(self) -> &'static str {
        match self {
            Family::Debian => "debian-archive-keyring",
            Family::Ubuntu => "ubuntu-archive-keyring",
        }
    }

    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Debian => "Debian",
            Family::Ubuntu => "Ubuntu",
        }
    }
}

/// Whether a suite holds security updates, which Debian keeps at an address of their own.
pub(super) fn is_security(suite: &str) -> bool {
    suite.ends_with("-security") || suite.ends_with("-security/updates")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_its_usual_suites() {
        let suites = |host| Release::of(host).unwrap().suites();
        assert_eq!(suites("debian-12"), ["bookworm", "bookworm-updates", "bookworm-security"]);
        assert_eq!(suites("ubuntu-24.04"), ["noble", "noble-updates", "noble-security"]);
        assert_eq!(suites("debian-sid"), ["sid"]);
        assert_eq!(Family::of_suite("jammy-updates"), Some(Family::Ubuntu));
        assert_eq!(Family::of_suite("stable"), None);
    }

    #[test]
    fn an_unknown_release_is_answered_with_the_known_ones() {
        let error = Release::of("debian-9").unwrap_err();
        assert_eq!(error.code(), codes::APT_HOST_UNKNOWN);
        assert!(error.help().unwrap().contains("debian-12, debian-13"));
    }
}
