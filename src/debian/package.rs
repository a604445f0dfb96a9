//! Packages as an index (`Packages`) or dpkg's `status` file describes them (Debian Policy 5.3, deb-control(5),
//! dpkg(1) for the fields of `status`, "Debian Repository Format" for those of an index).

mod archive;
mod fields;
mod status;

pub use archive::Archive;
pub use status::{Flag, State, Status, Want, parse_status};

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

use crate::debian::control::{Stanza, Stanzas, stanzas_by_pieces};
use crate::debian::relation::{self, AnyOf, Provided};
use crate::debian::version::Version;
use crate::error::{Error, Result};

/// Below so many bytes of an index it is not worth the while to start another thread.
const LEAST_FOR_A_THREAD: usize = 2 << 20;

/// One version of a package for one architecture.
#[derive(Clone, Debug)]
pub struct Package<'a> {
    /// The binary package.
    pub name: &'a str,
    /// Its version.
    pub version: Version<'a>,
    /// Its architecture, or `all`.
    pub architecture: &'a str,
    /// How it gets along with itself and others across architectures.
    pub multi_arch: MultiArch,
    /// Every system has it (`Essential: yes`).
    pub essential: bool,
    /// The system may not work without it (`Important: yes`, an older word for `protected`).
    pub important: bool,
    /// Not to be removed (`Protected: yes`).
    pub protected: bool,
    /// How important it is; `None` if that is not said.
    pub priority: Option<Priority>,
    /// The section, such as `admin` or `non-free/kernel`; empty if that is not said.
    pub section: &'a str,
    /// The name of its source package.
    pub source: &'a str,
    /// The version of its source package; differs from `version` after a rebuild of the binary alone.
    pub source_version: Version<'a>,
    /// Space it takes when installed, in KiB, as estimated when it was built.
    pub installed_size: Option<u64>,
    /// To how many machines of a hundred Ubuntu offers this as an upgrade yet.
    pub phased_update_percentage: Option<u8>,
    /// Where the `.deb` is; `None` in dpkg's status.
    pub archive: Option<Archive<'a>>,
    /// How far it is installed; `None` in an index.
    pub status: Option<Status>,
    /// The description itself, byte for byte.
    pub stanza: Stanza<'a>,
    relations: [&'a str; Relationship::COUNT],
}

/// The value of `Multi-Arch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiArch {
    /// Serves packages of its own architecture only.
    #[default]
    No,
    /// Can be installed for several architectures, in the same version.
    Same,
    /// Serves packages of all architectures.
    Foreign,
    /// Serves packages of all architectures that ask for `:any`.
    Allowed,
}

/// The value of `Priority`, from most to least important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// `required`
    Required,
    /// `important`
    Important,
    /// `standard`
    Standard,
    /// `optional`
    Optional,
    /// `extra`, now the same as optional
    Extra,
}

/// A relationship field, in the order in which apt looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "these are the names of the fields; Debian Policy 7 explains them")]
pub enum Relationship {
    PreDepends,
    Depends,
    Conflicts,
    Breaks,
    Recommends,
    Suggests,
    Replaces,
    Enhances,
    Provides,
}

impl Relationship {
    const COUNT: usize = 9;
}

/// The packages of an index.
#[derive(Debug, Default)]
pub struct Packages<'a> {
    /// Those that can be installed, in the order of the index.
    pub usable: Vec<Package<'a>>,
    /// Why others cannot: dpkg would refuse them, or they have no strong digest.
    pub unusable: Vec<Error>,
}

/// Reads an index, that is a file `Packages`; a large one on several threads.
///
/// # Errors
/// [`DEBIAN_CONTROL`](crate::error::codes::DEBIAN_CONTROL) if it is no control file. One bad package does not spoil
/// the others: it is listed under `unusable`.
pub fn parse_index(text: &[u8]) -> Result<Packages<'_>> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let pieces = stanzas_by_pieces(text, (text.len() / cores).max(LEAST_FOR_A_THREAD));
    if let [only] = &pieces[..] {
        return Packages::of(only.clone());
    }
    thread::scope(|scope| {
        let threads: Vec<_> =
            pieces.into_iter().map(|stanzas| scope.spawn(|| Packages::of(stanzas))).collect();
        let parts =
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        let joined = parts.reduce(|before, after| Ok(before?.and(after?)));
        joined.unwrap_or_else(|| Ok(Packages::default()))
    })
}

impl<'a> Packages<'a> {
    fn of(stanzas: Stanzas<'a>) -> Result<Self> {
        let mut packages = Packages::default();
        for stanza in stanzas {
            match fields::Fields::of(stanza?)?.available() {
                Ok(package) => packages.usable.push(package),
                Err(error) => packages.unusable.push(error),
            }
        }
        Ok(packages)
    }

    fn and(mut self, mut others: Self) -> Self {
        self.usable.append(&mut others.usable);
        self.unusable.append(&mut others.unusable);
        self
    }
}

impl<'a> Package<'a> {
    /// The text of a relationship field, empty if it is absent.
    pub fn relation_text(&self, relationship: Relationship) -> &'a str {
        self.relations[relationship as usize]
    }

    /// What a relationship field says; for `Provides` use [`Package::provides`].
    ///
    /// # Errors
    /// As [`relation::parse`], and with the name of the package.
    pub fn relations(&self, relationship: Relationship) -> Result<Vec<AnyOf<'a>>> {
        relation::parse(self.relation_text(relationship)).map_err(|error| self.broken(error))
    }

    /// The names it offers besides its own.
    ///
    /// # Errors
    /// As [`relation::parse_provides`], and with the name of the package.
    pub fn provides(&self) -> Result<Vec<Provided<'a>>> {
        let text = self.relation_text(Relationship::Provides);
        relation::parse_provides(text).map_err(|error| self.broken(error))
    }

    fn broken(&self, error: Error) -> Error {
        let Package { name, version, architecture, .. } = self;
        error.with_detail(format!("in the description of {name} {version} ({architecture})"))
    }
}

#[cfg(test)]
mod tests;
