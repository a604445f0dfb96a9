//! The packages of a bundle on a node that has apt.
//!
//! The real apt-get installs them, from the repository of the bundle and from nothing else: source, lists and
//! archives are private ([`apt_get`]), so that the sources of the host are neither read nor touched, and apt on the
//! host afterwards works as before. What happens, in this order:
//!
//! 1. What dpkg says is installed is compared with what the bundle names. If all of it is there, in that version or
//!    a newer one, nothing is done at all, and the repository is not needed on the node.
//! 2. Whoever works with dpkg is waited for, by name, and the repository is laid out, packages checked by their
//!    digests.
//! 3. What an interrupted run of ours has left half done is brought to an end; what others have left is for the
//!    administrator. apt simulates. If anything would be removed, downgraded or was held by the administrator,
//!    nothing is changed.
//! 4. Every package that was not there before is ours from then on ([`Owned::Package`]), and apt installs.
//!
//! Services that packages bring are started as on any node of that distribution: a `policy-rc.d` of the host is
//! heeded, none is written. needrestart is suspended.
//!
//! ```text
//! /var/lib/airlock/apt/NAME/repository/   the repository, flat: bundle-spec/v1.md, "apt"
//! /var/lib/airlock/apt/NAME/airlock.list  the private source; lists/ and archives/ beside it are apt's
//! /var/lib/airlock/apt/transaction        what apt was about to unpack; gone when it is through
//! ```
//!
//! [`Owned::Package`]: super::owned::Owned::Package

mod database;
mod hold;
mod install;
mod interrupted;
mod judgement;
mod locks;
mod modified;
mod reinstall;
mod removal;
mod repository;
mod target;

use std::sync::Arc;

pub use self::database::{Database, Entry};
pub use self::hold::Hold;
pub use self::install::Install;
pub use self::modified::Modified;
pub use self::reinstall::Reinstall;
pub use self::removal::{Needed, Removal};
pub use self::target::choose;
use super::machine::Call;
use super::origin::Origin;
use super::step::{Step, names};
use crate::bundle::manifest::apt::{Apt, Purpose};
use crate::debian::apt_get::{AptGet, Invocation};

/// Everything of ours that has to do with apt.
pub const DIRECTORY: &str = "/var/lib/airlock/apt";

/// Where the packages of a node come from.
#[derive(Clone)]
pub struct Packages {
    /// The part of the bundle that is for this node; see [`choose`].
    pub apt: Apt,
    /// The bundle.
    pub origin: Arc<dyn Origin>,
    /// A store on this machine, such as `/var/lib/airlock/store`: blobs in it are linked, not copied.
    pub store: Option<String>,
}

/// The step that installs what every node of the target has; none if there is nothing.
pub fn steps(packages: &Arc<Packages>) -> Vec<Box<dyn Step>> {
    let install = Install::new(names::PACKAGES, "Install packages", packages.clone(), vec![Purpose::Node]);
    match install.is_needed() {
        true => vec![Box::new(install)],
        false => Vec::new(),
    }
}

impl Packages {
    /// The private places of apt for this repository.
    fn apt_get(&self) -> AptGet {
        let directory = format!("{DIRECTORY}/{}", self.apt.name).into();
        AptGet { directory, recommends: self.apt.recommends, status: None }
    }
}

/// An invocation as a call on the machine.
fn call(invocation: Invocation) -> Call {
    let call = Call::new(invocation.program).with(invocation.arguments);
    invocation.environment.iter().fold(call, |call, (name, value)| call.variable(name, *value))
}
