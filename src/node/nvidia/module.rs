//! The modules of the driver: there for the running kernel, loaded, and of the version of the libraries.

use std::sync::Arc;
use std::time::Duration;

use super::Nvidia;
use super::driver::{Driver, modinfo, module_version, run_if_there};
use crate::error::{Error, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::owned::Owned;
use crate::node::reboot;
use crate::node::resource::{File, Resource as _};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;
use crate::quote::{escape, quote};

const NAME: &str = names::NVIDIA_MODULE;

/// The modules that computing needs, each after those that it needs.
const NEEDED: [&str; 2] = ["nvidia", "nvidia_uvm"];

/// Has them loaded at every boot (modules-load.d(5)).
const AT_BOOT: &str = "/etc/modules-load.d/airlock-nvidia.conf";

/// All modules of the driver, those first that need others.
const ALL: [&str; 5] = ["nvidia_peermem", "nvidia_uvm", "nvidia_drm", "nvidia_modeset", "nvidia"];

/// The step that loads them.
pub(super) struct Module {
    pub(super) nvidia: Arc<Nvidia>,
}

impl Step for Module {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> String {
        "Load the NVIDIA driver".to_owned()
    }

    fn deadline(&self) -> Duration {
        // The first answer of a machine with many GPUs takes a while.
        Duration::from_secs(5 * 60)
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let mut changes: Vec<Change> = self.at_boot(machine)?.into_iter().collect();
        let driver = Driver::look(machine)?;
        if driver.works() && is_loaded(machine, "nvidia_uvm") {
            return Ok(changes);
        }
        let version = driver.module.or_else(|| self.nvidia.driver().map(|driver| driver.version.clone()));
        let change = Change::new(Verb::Start, NEEDED.join(" "));
        changes.push(version.into_iter().fold(change, Change::with_detail));
        Ok(changes)
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        let machine = work.machine();
        let driver = Driver::look(machine)?;
        if driver.module.is_none() {
            return self.without_module(machine);
        }
        if driver.loaded.is_some() && driver.loaded != driver.module && !unload(machine)? {
            return match reboot::has_happened(machine, NAME)? {
                true => Err(driver.complaint()),
                false => Ok(Outcome::Reboot),
            };
        }
        for module in NEEDED {
            if !is_loaded(machine, module) {
                self.load(work, module)?;
            }
        }
        let driver = Driver::look(machine)?;
        if !driver.works() {
            return Err(driver.complaint());
        }
        if self.at_boot(machine)?.is_some() {
            at_boot().make(work)?;
        }
        Ok(Outcome::Done)
    }
}

impl Module {
    /// What is missing for the next boot. The packages of a driver have the card's own module loaded, but not all of
    /// them `nvidia_uvm`, without which no container computes.
    fn at_boot(&self, machine: &Machine) -> Result<Option<Change>> {
        match self.nvidia.has_foreign_driver(machine)? {
            true => Ok(None),
            false => at_boot().check(machine),
        }
    }

    fn load(&self, work: &mut Work<'_>, module: &str) -> Result<()> {
        work.own(Owned::Module { name: module.to_owned() })?;
        let machine = work.machine();
        let call = Call::new("modprobe").with([module]).within(Duration::from_secs(120));
        let finished = machine.run(&call)?;
        if finished.is_well() {
            return Ok(());
        }
        // What the kernel says where a signature is missing or unknown (EKEYREJECTED, ENOKEY).
        let said = finished.errors.as_str();
        let is_rejected =
            ["Key was rejected", "Required key not available"].iter().any(|words| said.contains(words));
        let is_unsigned = self.nvidia.secure_boot && modinfo(machine, None, "signer")?.is_none();
        match is_rejected || is_unsigned {
            true => Err(needs_key(said)),
            false => Err(finished.into_error(&call).with_detail("`dmesg | grep -i nvrm` says more")),
        }
    }

    /// Restarts into a kernel that has modules, or says what is missing.
    fn without_module(&self, machine: &Machine) -> Result<Outcome> {
        let running = running(machine)?;
        let with_modules = with_modules(machine, &running)?;
        match with_modules.is_empty() {
            false if !reboot::has_happened(machine, NAME)? => Ok(Outcome::Reboot),
            _ => Err(self.missing(machine, &running, &with_modules)?),
        }
    }

    fn missing(&self, machine: &Machine, running: &str, with_modules: &[String]) -> Result<Error> {
        let running = quote(running);
        let message = format!("there is no NVIDIA module for the running kernel {running}");
        let mut error = Error::new(codes::GPU_MODULE_MISSING, message);
        let dkms = run_if_there(machine, &Call::new("dkms").with(["status"]))?;
        for line in
            dkms.iter().flat_map(|status| status.output.lines()).filter(|line| line.contains("nvidia"))
        {
            error = error.with_detail(format!("dkms status: {}", escape(line)));
        }
        if !machine.path(&format!("/lib/modules/{running}/build")).exists() {
            error = error
                .with_detail(format!("the headers of {running} are not installed: DKMS cannot build it"));
        }
        let prebuilt = self.nvidia.driver().into_iter().flat_map(|driver| &driver.kernels);
        let known: Vec<&str> = prebuilt.map(|kernel| kernel.release.as_str()).collect();
        Ok(error.with_help(match (with_modules, &known[..]) {
            ([kernel, ..], _) => format!("start the kernel {} instead, it has them, and run the same command again", quote(kernel)),
            ([], []) => "see /var/lib/dkms/nvidia/*/build/make.log for why DKMS did not build it".to_owned(),
            ([], known) => format!(
                "start one of the kernels that the bundle is for ({}), or add `{running}` to `nvidia.driver.kernels` \
                 in bundle.yaml and build it again",
                known.join(", ")
            ),
        }))
    }
}

fn at_boot() -> File {
    File::new(AT_BOOT, format!("# Written by airlock.\n{}\n", NEEDED.join("\n")))
}

fn needs_key(said: &str) -> Error {
    let message = "Secure Boot refuses the module of the NVIDIA driver: its signature is missing or unknown";
    Error::new(codes::GPU_SECURE_BOOT, message).with_detail(escape(said.trim()).into_owned()).with_help(
        "have the key enrolled that DKMS signs with: `mokutil --import /var/lib/dkms/mok.pub` (on Ubuntu \
         `/var/lib/shim-signed/mok/MOK.der`), choose a password, restart, and at the console choose `Enroll MOK`; then \
         run the same command again. Or build the bundle with prebuilt modules, or switch Secure Boot off",
    )
}

/// Unloads the driver; whether that was possible.
fn unload(machine: &Machine) -> Result<bool> {
    for module in ALL {
        if is_loaded(machine, module) {
            // Whoever uses a GPU keeps it.
            machine.run(&Call::new("modprobe").with(["-r", module]))?;
        }
    }
    Ok(!is_loaded(machine, "nvidia"))
}

fn is_loaded(machine: &Machine, module: &str) -> bool {
    machine.path(&format!("/sys/module/{module}")).exists()
}

fn running(machine: &Machine) -> Result<String> {
    Ok(machine.read_text("/proc/sys/kernel/osrelease")?.unwrap_or_default().trim().to_owned())
}

/// Other installed kernels that have the module, sorted.
fn with_modules(machine: &Machine, running: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for kernel in machine.names("/lib/modules")?.into_iter().filter(|name| name != running) {
        if module_version(machine, Some(&kernel))?.is_some() {
            found.push(kernel);
        }
    }
    Ok(found)
}
