//! Which packages an installation needs: the same ones that apt would take, on any Linux, without apt.
//!
//! apt does not look for a best solution. It walks from the requested packages through their dependencies and
//! settles every choice on the spot, by rules that differ a little between its generations ([`Profile`]). This
//! module follows the documented rules, and `scripts/bench apt-equality` measures it against the real apt.
//! What it finds is not trusted: [`checker`](crate::debian::checker) proves it with code of its own.
//!
//! One thing is stricter than apt: nothing installed is ever removed or downgraded. Where apt would do that,
//! the request is refused and the reason is told.

mod choice;
mod explain;
mod relations;
mod request;
mod solver3;
mod state;
mod sweep;
mod walk;

pub use request::{Request, Selector};

use std::collections::BTreeSet;

use crate::debian::relation::AnyOf;
use crate::debian::universe::pins::Preferences;
use crate::debian::universe::{Universe, VersionId};
use crate::error::{Error, Result};

/// How a generation of apt decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// apt 2.4 of Ubuntu 22.04, and earlier: as [`Profile::Classic`], but without upgrading what is installed
    /// of the same source package.
    Apt24,
    /// apt 2.6 to 3.0: Debian 12 and 13, Ubuntu 24.04.
    Classic,
    /// apt 3.1 and later: Ubuntu 26.04, Debian unstable.
    Solver3,
}

/// What is asked for, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The generation of the target's apt.
    pub profile: Profile,
    /// Whether recommended packages are wanted (`APT::Install-Recommends`).
    pub recommends: bool,
    /// Pins and the target release.
    pub preferences: Preferences,
    /// Names of installed packages that must stay as they are (`apt-mark hold`).
    pub holds: BTreeSet<String>,
}

/// Why a package is in the solution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The user asked for it.
    Requested,
    /// `by` needs it before it is unpacked, or to run, or recommends it.
    Needed {
        /// Who needs it.
        by: VersionId,
        /// How strongly.
        strength: Strength,
        /// The requirement as it stands in the stanza of `by`.
        requirement: AnyOf<'a>,
    },
    /// The installed version excludes `by` or is excluded by it; this one does not.
    MakesRoom {
        /// Who would be in conflict.
        by: VersionId,
    },
    /// It is installed, and a package of the same source, `with`, moves to a new version.
    SameSource {
        /// The package that moves.
        with: VersionId,
    },
    /// The installed version breaks when other packages are upgraded; this one does not.
    Repair,
}

/// How strongly a package is wanted by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Field `Pre-Depends`.
    PreDepends,
    /// Field `Depends`.
    Depends,
    /// Field `Recommends`.
    Recommends,
}

/// One version to install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The version.
    pub version: VersionId,
    /// Why.
    pub reason: Reason<'a>,
}

/// What has to be installed, in the order of name and architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution<'a> {
    /// New packages and upgrades; nothing that the baseline has in this version.
    pub choices: Vec<Choice<'a>>,
}

/// The older walk stops where a chain of packages breaks and so tells more than a search that found nothing.
fn explained(universe: &Universe<'_>, requests: &[Request], options: &Options, error: Error) -> Result<()> {
    let mut state = state::State::new(universe, options)?;
    let wanted = request::mark(&mut state, requests)?;
    walk::run(&mut state, &wanted)?;
    Err(error)
}

/// Finds what the requests need on top of the baseline in `universe`.
///
/// # Errors
/// [`UNKNOWN_PACKAGE`](crate::error::codes::UNKNOWN_PACKAGE) with similar names,
/// [`AMBIGUOUS_PACKAGE`](crate::error::codes::AMBIGUOUS_PACKAGE) for a virtual package that several provide,
/// [`UNSATISFIABLE`](crate::error::codes::UNSATISFIABLE) with the chain of reasons, and
/// [`WOULD_REMOVE`](crate::error::codes::WOULD_REMOVE) where apt would remove something.
pub fn solve<'a>(universe: &Universe<'a>, requests: &[Request], options: &Options) -> Result<Solution<'a>> {
    let mut state = state::State::new(universe, options)?;
    let wanted = request::mark(&mut state, requests)?;
    match options.profile {
        Profile::Apt24 | Profile::Classic => walk::run(&mut state, &wanted)?,
        Profile::Solver3 => {
            solver3::run(&mut state, &wanted)
                .or_else(|error| explained(universe, requests, options, error))?;
        }
    }
    let removed: Vec<VersionId> = state.removed().collect();
    match removed[..] {
        [] => Ok(state.into_solution()),
        _ => Err(explain::would_remove(&state, &removed)?),
    }
}

#[cfg(test)]
mod tests;
