//! What a machine is: read from its files, changing nothing and starting no program.
//!
//! Everything comes from below one root directory, so that tests look at trees of files; what no file tells
//! comes through [`System`]. What cannot be read is `None`, and a [`Note`] says why: whoever is not root
//! gets what anybody may read. The document is described in `bundle-spec/facts.md`.

mod cgroup;
mod clock;
mod cpu;
mod gpu;
mod host;
mod kernel;
mod machine;
mod memory;
mod network;
mod os;
mod packages;
mod previous;
mod root;
mod security;
mod services;
mod storage;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::cgroup::{Cgroup, CgroupVersion};
pub use self::clock::Clock;
pub use self::cpu::Cpu;
pub use self::gpu::{Gpu, NvidiaDevice, VENDOR_NVIDIA, driver_version};
pub use self::host::{Host, RunningSystem, Space, System};
pub use self::kernel::{Kernel, ModuleState, OPTIONAL_OPTIONS, REQUIRED_OPTIONS};
pub use self::machine::{Limits, Machine};
pub use self::memory::{Memory, Swap};
pub use self::network::{
    Firewall, Interface, Listener, NameService, Network, Protocol, ProxySetting, Route, Subnet,
};
pub use self::os::OperatingSystem;
pub use self::packages::{LockHolder, Manager, PackageState, Packages, Stanza, status_of, status_text};
pub use self::previous::{Leftover, Previous, Runtime};
pub use self::root::Note;
use self::root::Root;
pub use self::security::{Lockdown, Security, Selinux};
pub use self::services::Services;
pub use self::storage::{BlockDevice, FileSystem, Storage};

/// Value of `format` in the documents of this version.
pub const FORMAT: u32 = 1;

/// What a machine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// Version of this format.
    pub format: u32,
    /// Version of the airlock that wrote this.
    pub airlock: String,
    /// Distribution.
    pub os: OperatingSystem,
    /// Kernel, its modules and options.
    pub kernel: Kernel,
    /// Architecture, names and the kind of machine.
    pub machine: Machine,
    /// Processors.
    pub cpu: Cpu,
    /// Memory and swap.
    pub memory: Memory,
    /// File systems and disks.
    pub storage: Storage,
    /// Interfaces, routes, names, ports, firewalls and proxies.
    pub network: Network,
    /// Clock and what sets it.
    pub clock: Clock,
    /// Control groups.
    pub cgroup: Cgroup,
    /// AppArmor, SELinux, lockdown, Secure Boot.
    pub security: Security,
    /// Kernel settings that matter, by name, such as `net.ipv4.ip_forward`. What the kernel does not have is
    /// not here.
    pub sysctls: BTreeMap<String, String>,
    /// For each setting that matters and stands in a file of settings, the line that has the last word at the next start.
    pub sysctl_files: BTreeMap<String, SysctlLine>,
    /// Init system and processes that matter.
    pub services: Services,
    /// Programs that matter and are on the path of services, with where they are.
    pub programs: BTreeMap<String, String>,
    /// Packages.
    pub packages: Packages,
    /// NVIDIA devices and drivers.
    pub gpu: Gpu,
    /// Container runtimes and distributions of Kubernetes.
    pub runtimes: Vec<Runtime>,
    /// What an earlier Kubernetes left, and what is ours.
    pub previous: Previous,
    /// What could not be read, and why.
    pub notes: Vec<Note>,
}

/// A line of a file below `sysctl.d`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SysctlLine {
    /// The file.
    pub file: String,
    /// The value it gives.
    pub value: String,
}

/// What to look at besides the usual.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Directories whose file systems matter, besides the usual ones; absolute, may be missing.
    pub directories: Vec<String>,
    /// List every installed package.
    pub packages: bool,
}

impl Facts {
    /// Looks at `host`. Cannot fail: what cannot be read is absent, and noted.
    pub fn gather(host: &Host, request: &Request) -> Facts {
        let root = Root::new(&host.root);
        let system = &*host.system;
        let storage = storage::gather(&root, system, &request.directories);
        let services = services::gather(&root);
        let programs = services::programs(&root);
        let kernel = kernel::gather(&root);
        let sysctls = kernel::sysctls(&root);
        let runtimes = previous::runtimes(&root, &programs, &services.processes);
        Facts {
            format: FORMAT,
            airlock: env!("CARGO_PKG_VERSION").to_owned(),
            os: os::gather(&root),
            machine: machine::gather(&root, system),
            cpu: cpu::gather(&root),
            memory: memory::gather(&root),
            storage,
            network: network::gather(&root, &services.processes),
            clock: clock::gather(&root, system, &services.processes),
            cgroup: cgroup::gather(&root),
            security: security::gather(&root),
            sysctls,
            sysctl_files: kernel::sysctl_files(&root),
            packages: packages::gather(&root, request.packages),
            gpu: gpu::gather(&root),
            previous: previous::gather(&root),
            runtimes,
            kernel,
            services,
            programs,
            notes: root.into_notes(),
        }
    }

    /// The JSON Schema of the document (draft 2020-12).
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Facts).to_value()
    }
}
