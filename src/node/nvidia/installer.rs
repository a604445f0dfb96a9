//! `NVIDIA-Linux-….run`, the installer of NVIDIA's own: it builds its modules on the node.

use std::sync::Arc;
use std::time::Duration;

use super::driver::{Driver, module_version};
use crate::bundle::manifest::{Artifact, apt};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::packages::Packages;
use crate::node::resource::{BlobFile, Resource as _};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Building modules takes minutes, on slow machines many.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// The step that runs it.
pub(super) struct Installer {
    file: BlobFile,
    version: String,
    open: bool,
}

impl Installer {
    /// The installer of a bundle; none if it does not have the file, which its validation excludes.
    pub(super) fn new(packages: &Arc<Packages>, driver: &apt::Driver, path: &str) -> Option<Installer> {
        let blob = packages.origin.manifest().artifacts.iter().find_map(|artifact| match artifact {
            Artifact::File(file) if file.path == path => Some(file.blob),
            _ => None,
        })?;
        let file = BlobFile { path: path.to_owned(), blob, mode: 0o755, origin: packages.origin.clone() };
        Some(Installer { file, version: driver.version.clone(), open: driver.open })
    }

    /// Unattended, with modules that DKMS builds again for later kernels; see `--advanced-options` of the installer.
    fn call(&self) -> Call {
        let kind = if self.open { "open" } else { "proprietary" };
        Call::new(&self.file.path)
            .with(["--silent", "--dkms", "--no-x-check", "--no-install-libglvnd", "--skip-module-load"])
            .with([format!("--kernel-module-type={kind}")])
            .within(DEADLINE)
    }

    /// Whether this version is there for the running kernel, or another driver works, which is left alone.
    fn is_there(&self, machine: &Machine) -> Result<bool> {
        let module = module_version(machine, None)?;
        let driver = Driver::look(machine)?;
        Ok(driver.works() || (module == driver.library && module.as_deref() == Some(&self.version)))
    }
}

impl Step for Installer {
    fn name(&self) -> &'static str {
        names::NVIDIA_INSTALLER
    }

    fn title(&self) -> String {
        format!("Run NVIDIA's installer of driver {}", self.version)
    }

    fn deadline(&self) -> Duration {
        DEADLINE + Duration::from_secs(60)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        if self.is_there(machine)? {
            return Ok(Vec::new());
        }
        let file = self.file.check(machine)?;
        Ok(file.into_iter().chain([Change::new(Verb::Run, self.call().to_string())]).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        if self.file.check(work.machine())?.is_some() {
            self.file.make(work)?;
        }
        work.own(Owned::Driver { version: self.version.clone() })?;
        work.run(self.call())
            .map_err(|error| error.with_detail("the whole story is in /var/log/nvidia-installer.log"))?;
        Ok(Outcome::Done)
    }
}
