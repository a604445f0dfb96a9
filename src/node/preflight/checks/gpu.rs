//! NVIDIA GPUs and their driver.

use super::super::bundle::DriverSummary;
use super::super::outcome::{block, listed, passed, unknown, warn};
use super::super::{Check, Circumstances, Concern, GpuWish, Outcome, Severity};
use crate::node::facts::{Facts, ModuleState, NvidiaDevice};

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "G1",
        title: "GPUs",
        severity: Severity::Block,
        threshold: "some, if they are asked for",
        concern: Concern::All,
        examine: devices,
        mend: None,
    },
    Check {
        id: "G2",
        title: "generation of the GPUs",
        severity: Severity::Block,
        threshold: "Turing or newer for the open kernel modules",
        concern: Concern::Gpu,
        examine: generation,
        mend: None,
    },
    Check {
        id: "G3",
        title: "nouveau",
        severity: Severity::Block,
        threshold: "not loaded",
        concern: Concern::Gpu,
        examine: nouveau,
        mend: None,
    },
    Check {
        id: "G4",
        title: "drivers of another make",
        severity: Severity::Block,
        threshold: "none: no `.run` installation, no desktop branch, nothing left of DKMS",
        concern: Concern::Gpu,
        examine: other_drivers,
        mend: None,
    },
    Check {
        id: "G5",
        title: "modules for the running kernel",
        severity: Severity::Block,
        threshold: "prebuilt in the bundle; or headers, dkms, gcc and make",
        concern: Concern::Gpu,
        examine: modules,
        mend: None,
    },
    Check {
        id: "G6",
        title: "Secure Boot and the driver",
        severity: Severity::Block,
        threshold: "off, or modules signed by the distribution",
        concern: Concern::Gpu,
        examine: secure_boot,
        mend: None,
    },
    Check {
        id: "G7",
        title: "Fabric Manager",
        severity: Severity::Block,
        threshold: "with NVSwitch: in the bundle or installed, in the version of the driver",
        concern: Concern::Gpu,
        examine: fabric_manager,
        mend: None,
    },
    Check {
        id: "G8",
        title: "upgrades behind the back of running pods",
        severity: Severity::Warn,
        threshold: "unattended-upgrades leaves nvidia and linux packages alone",
        concern: Concern::Gpu,
        examine: upgrades,
        mend: None,
    },
];

fn driver<'a>(facts: &Facts, circumstances: &'a Circumstances) -> Option<&'a DriverSummary> {
    circumstances.bundle.as_ref()?.drivers.get(&facts.os.host()?)
}

fn devices(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let (gpus, switches) = (facts.gpu.devices.len(), facts.gpu.switches.len());
    match (gpus, circumstances.gpu) {
        (0, GpuWish::Yes) => block(
            "none",
            "look whether they sit in their slots and are on in the firmware (`lspci -d 10de:`); in a virtual machine pass them through",
        ),
        (0, _) => passed("none"),
        _ if switches > 0 => passed(format!("{gpus} GPUs, {switches} NVSwitches")),
        _ => passed(format!("{gpus} GPUs")),
    }
}

fn generation(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let old = |device: &&NvidiaDevice| !device.has_open_modules();
    let old: Vec<&str> = facts.gpu.devices.iter().filter(old).map(|device| device.device.as_str()).collect();
    match (old.is_empty(), driver(facts, circumstances)) {
        (false, Some(driver)) if driver.open => block(
            format!("older: {}", listed(old)),
            "write `flavour: proprietary` under `nvidia.driver` in bundle.yaml, with a branch that still knows these GPUs, and build it again",
        ),
        (true, _) => passed("Turing or newer"),
        (false, _) => passed(format!("older: {}", listed(old))),
    }
}

fn nouveau(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let bound = facts.gpu.devices.iter().any(|device| device.driver.as_deref() == Some("nouveau"));
    if !bound && facts.kernel.modules.get("nouveau") != Some(&ModuleState::Loaded) {
        return passed("not loaded");
    }
    let measured = if bound { "loaded, and drives a GPU" } else { "loaded" };
    if driver(facts, circumstances).is_some() {
        return warn(
            measured,
            "the installation keeps it away; if it is in use, the machine has to be restarted once, which a \
             deployment does with `--restart`",
        );
    }
    block(
        measured,
        "`printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/nouveau.conf && update-initramfs -u -k all`, then restart",
    )
}

fn other_drivers(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    // Where the bundle brings none, the driver that is there is the one that is meant.
    let Some(wanted) = driver(facts, circumstances) else { return passed("the bundle brings no driver") };
    if facts.gpu.driver.as_deref() == Some(wanted.version.as_str()) && !facts.gpu.run_file {
        return passed(format!("{} already", wanted.version));
    }
    let is_desktop = |name: &&String| {
        name.strip_prefix("nvidia-driver-")
            .is_some_and(|branch| branch.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let desktop = facts.packages.versions.keys().find(is_desktop);
    match (facts.gpu.run_file, desktop, facts.gpu.dkms.first()) {
        (true, ..) => block("a `.run` installation", "`nvidia-uninstall --silent`, then restart"),
        (_, Some(package), _) => block(package, format!("`apt-get purge {package}`, then restart")),
        (_, _, Some(module)) if !wanted.has_dkms => block(
            format!("DKMS has {module}"),
            "`dkms status` shows its version; `dkms remove MODULE/VERSION --all`",
        ),
        _ => passed("none"),
    }
}

fn modules(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(driver) = driver(facts, circumstances) else { return passed("the bundle brings no driver") };
    let release = facts.kernel.release.as_deref().unwrap_or_default();
    if driver.prebuilt.iter().any(|kernel| kernel == release) {
        return passed("prebuilt");
    }
    let brings_all = driver.has_dkms && driver.built.iter().any(|kernel| kernel == release);
    let tools = ["dkms", "gcc", "make"].into_iter().filter(|tool| !facts.programs.contains_key(*tool));
    let mut missing: Vec<&str> = if driver.has_dkms { Vec::new() } else { tools.collect() };
    if !facts.gpu.headers {
        missing.push("headers of the kernel");
    }
    if brings_all || missing.is_empty() {
        return passed("DKMS builds them");
    }
    block(
        format!("not prebuilt; missing: {}", listed(missing)),
        format!("add `{release}` to `nvidia.driver.kernels` in bundle.yaml and build it again"),
    )
}

fn secure_boot(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    let Some(driver) = driver(facts, circumstances) else { return passed("the bundle brings no driver") };
    let release = facts.kernel.release.as_deref().unwrap_or_default();
    let signed = driver.prebuilt.iter().any(|kernel| kernel == release);
    match (facts.security.secure_boot, signed) {
        (Some(true), false) => block(
            "on, and DKMS would build modules that nobody signed",
            "bring prebuilt modules for this kernel; or enrol a key of your own at the console (`mokutil --import`); or switch Secure Boot off",
        ),
        (Some(true), true) => passed("on, and the modules are signed"),
        _ => passed("off"),
    }
}

fn fabric_manager(facts: &Facts, circumstances: &Circumstances) -> Outcome {
    if facts.gpu.switches.is_empty() {
        return passed("there is no NVSwitch");
    }
    if circumstances.bundle.is_none() && facts.gpu.driver.is_none() {
        return unknown("no driver is loaded, and no bundle is given (`--bundle`)");
    }
    let switches = facts.gpu.switches.len();
    let in_bundle = driver(facts, circumstances)
        .is_some_and(|driver| driver.fabric_manager.as_deref() == Some(driver.version.as_str()));
    let is_installed = facts.packages.versions.iter().any(|(name, version)| {
        let is_one = name.starts_with("nvidia-fabricmanager");
        is_one && facts.gpu.driver.as_ref().is_some_and(|driver| version.starts_with(driver.as_str()))
    });
    match in_bundle || is_installed {
        true => passed(format!("{switches} NVSwitches, in the version of the driver")),
        false => block(
            format!("{switches} NVSwitches, without it"),
            "write `fabricManager: true` under `nvidia` in bundle.yaml and build it again: without it CUDA fails with error 802",
        ),
    }
}

fn upgrades(facts: &Facts, _: &Circumstances) -> Outcome {
    let leaves = |start: &str| {
        let patterns = &facts.packages.not_upgraded;
        patterns.iter().any(|pattern| pattern.trim_start_matches('^').starts_with(start))
    };
    match facts.packages.unattended_upgrades && !(leaves("nvidia") && leaves("linux-")) {
        false => passed("they are left alone"),
        true => warn(
            "unattended-upgrades may renew them",
            "`printf 'Unattended-Upgrade::Package-Blacklist { \"nvidia\"; \"libnvidia\"; \"linux-\"; };\\n' > /etc/apt/apt.conf.d/99-gpu`",
        ),
    }
}
