//! What dpkg has installed: its `status` file, the baseline that new packages are added to (dpkg(1),
//! "Package states").

use super::{Package, fields};
use crate::debian::control::stanzas;
use crate::error::Result;

/// The three words of the field `Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the administrator wants.
    pub want: Want,
    /// Whether it has to be installed again.
    pub flag: Flag,
    /// How far it is installed.
    pub state: State,
}

/// What is wanted of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing is known.
    Unknown,
    /// To be installed or upgraded.
    Install,
    /// To stay as it is.
    Hold,
    /// To be removed, its configuration kept.
    Deinstall,
    /// To be removed with its configuration.
    Purge,
}

/// Whether a package is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It is not.
    Ok,
    /// It has to be installed again.
    ReinstallRequired,
}

/// How far a package is installed, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not at all.
    NotInstalled,
    /// Removed; only its configuration is left.
    ConfigFiles,
    /// Its files are there in part.
    HalfInstalled,
    /// Its files are there; it is not configured.
    Unpacked,
    /// Configuring it failed.
    HalfConfigured,
    /// It waits for another package to run its triggers.
    TriggersAwaited,
    /// Its triggers have to be run.
    TriggersPending,
    /// Entirely.
    Installed,
}

impl Status {
    /// Reads a value such as `install ok installed`; `None` if a word of it is not known.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let want = match words.next()? {
            "unknown" => Want::Unknown,
            "install" => Want::Install,
            "hold" => Want::Hold,
            "deinstall" => Want::Deinstall,
            "purge" => Want::Purge,
            _ => return None,
        };
        let flag = match words.next()? {
            "ok" => Flag::Ok,
            "reinstreq" => Flag::ReinstallRequired,
            _ => return None,
        };
        let state = State::parse(words.next()?)?;
        words.next().is_none().then_some(Status { want, flag, state })
    }
}

impl State {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "not-installed" => State::NotInstalled,
            "config-files" => State::ConfigFiles,
            "half-installed" => State::HalfInstalled,
            "unpacked" => State::Unpacked,
            "half-configured" => State::HalfConfigured,
            "triggers-awaited" => State::TriggersAwaited,
            "triggers-pending" => State::TriggersPending,
            "installed" => State::Installed,
            _ => return None,
        })
    }

    /// Whether apt counts the package as installed, be it whole or broken.
    pub fn is_on_disk(self) -> bool {
        self > State::ConfigFiles
    }
}

/// Reads `/var/lib/dpkg/status`: the packages that are installed, broken ones included.
///
/// # Errors
/// [`DEBIAN_CONTROL`](crate::error::codes::DEBIAN_CONTROL) if it is no control file,
/// [`DEBIAN_PACKAGE`](crate::error::codes::DEBIAN_PACKAGE) if a package in it is malformed: the baseline is a
/// statement about a machine, so nothing in it is skipped.
pub fn parse_status(text: &[u8]) -> Result<Vec<Package<'_>>> {
    stanzas(text).filter_map(|stanza| read(stanza).transpose()).collect()
}

fn read(stanza: Result<crate::debian::control::Stanza<'_>>) -> Result<Option<Package<'_>>> {
    fields::Fields::of(stanza?)?.installed()
}
