//! The driver as it is on the machine: what is loaded, what is on the disk, and whether both fit.

use crate::error::{Error, Result, codes};
use crate::node::facts::driver_version;
use crate::node::machine::{Call, Finished, Machine};

/// Where libraries are that programs load: those of Debian's alternatives are one level below.
const LIBRARIES: [&str; 5] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib64",
];

/// The library that `nvidia-smi` and Kubernetes ask; its name ends in its version.
const LIBRARY: &str = "libnvidia-ml.so.";

/// Files of the module `nvidia`: Debian gives it other names, which its modprobe.d(5) knows and modinfo(8) does not.
const FILES: [&str; 3] = ["nvidia", "nvidia-current-open", "nvidia-current"];

/// Versions of the parts of a driver. They work together if they are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// The modules that are loaded (`/proc/driver/nvidia/version`).
    pub loaded: Option<String>,
    /// The module on the disk for the running kernel (modinfo(8)).
    pub module: Option<String>,
    /// The libraries on the disk.
    pub library: Option<String>,
    /// What `nvidia-smi` says, which asks the modules through the library; else what it complains of.
    pub answer: Option<Result<String, String>>,
}

impl Driver {
    /// Looks at a machine.
    ///
    /// # Errors
    /// [`codes::NODE_FILE`], [`codes::NODE_PROGRAM`].
    pub fn look(machine: &Machine) -> Result<Driver> {
        let loaded = machine.read_text("/proc/driver/nvidia/version")?;
        let query = ["--query-gpu=driver_version", "--format=csv,noheader"];
        let answer = run_if_there(machine, &Call::new("nvidia-smi").with(query))?;
        Ok(Driver {
            loaded: loaded.as_deref().and_then(driver_version),
            module: module_version(machine, None)?,
            library: library(machine)?,
            answer: answer.map(|finished| answer_of(&finished)),
        })
    }

    /// Whether it is loaded and answers, and all parts have one version.
    pub fn works(&self) -> bool {
        let is_same = |part: &Option<String>| part.is_none() || *part == self.loaded;
        let answers =
            matches!((&self.answer, &self.loaded), (Some(Ok(said)), Some(loaded)) if said == loaded);
        answers && is_same(&self.library) && is_same(&self.module)
    }

    /// What is wrong with a driver that does not work although its modules are loaded.
    pub(super) fn complaint(&self) -> Error {
        let version = |part: &Option<String>| part.clone().unwrap_or_else(|| "not there".to_owned());
        let answer = match &self.answer {
            Some(Ok(version)) => version.clone(),
            Some(Err(complaint)) => format!("fails: {complaint}"),
            None => "not there".to_owned(),
        };
        Error::new(codes::GPU_DRIVER, "the NVIDIA driver does not work: its parts do not fit together")
            .with_detail(format!("loaded modules: {}", version(&self.loaded)))
            .with_detail(format!("module for the running kernel: {}", version(&self.module)))
            .with_detail(format!("libraries: {}", version(&self.library)))
            .with_detail(format!("nvidia-smi: {answer}"))
            .with_help(
                "remove other installations of the driver (`dpkg -l '*nvidia*'`, `nvidia-uninstall`), restart the \
                 machine, then run the same command again; `dmesg | grep -i nvrm` says more",
            )
    }
}

/// The version of the module on the disk, for a kernel or the running one.
pub(super) fn module_version(machine: &Machine, kernel: Option<&str>) -> Result<Option<String>> {
    modinfo(machine, kernel, "version")
}

/// A field of the module on the disk.
pub(super) fn modinfo(machine: &Machine, kernel: Option<&str>, field: &str) -> Result<Option<String>> {
    for name in FILES {
        let kernel = kernel.map(|kernel| ["-k", kernel]).into_iter().flatten();
        let call = Call::new("modinfo").with(["-F", field]).with(kernel).with([name]);
        let finished = run_if_there(machine, &call)?.filter(Finished::is_well);
        let text = finished.map(|finished| finished.output.trim().to_owned());
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// Runs a program; nothing if it is not installed.
pub(super) fn run_if_there(machine: &Machine, call: &Call) -> Result<Option<Finished>> {
    match machine.run(call) {
        Err(error) if error.code() == codes::NODE_PROGRAM_MISSING => Ok(None),
        finished => finished.map(Some),
    }
}

fn answer_of(finished: &Finished) -> Result<String, String> {
    let first = |text: &str| text.lines().next().unwrap_or_default().trim().to_owned();
    match finished.is_well() {
        true => Ok(first(&finished.output)),
        // Its complaints go to standard output.
        false => {
            Err(first(if finished.output.trim().is_empty() { &finished.errors } else { &finished.output }))
        }
    }
}

fn library(machine: &Machine) -> Result<Option<String>> {
    for directory in LIBRARIES {
        let names = machine.names(directory)?;
        let mut versions = names.iter().filter_map(|name| name.strip_prefix(LIBRARY));
        // `libnvidia-ml.so.1` is a link for the loader.
        if let Some(version) = versions.find(|version| version.contains('.')) {
            return Ok(Some(version.to_owned()));
        }
    }
    Ok(None)
}
