//! A machine with GPUs as data: files below a directory, and programs that read and change them as the real ones do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::bundle::manifest::apt::{Apt, KEYRING};
use crate::bundle::manifest::{Artifact, Manifest};
use crate::node::facts;
use crate::node::machine::{Call, Finished, Machine, Programs};
use crate::node::origin::Origin;
use crate::oci::digest::Digest;

/// The version of the driver in the bundle.
pub(super) const VERSION: &str = "580.126.20";

/// The machine. What its programs go by lies below `state/`.
pub(super) struct Simulated {
    root: tempfile::TempDir,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Simulated {
    /// A machine with dpkg, systemd and this kernel, without any driver.
    pub(super) fn new(kernel: &str) -> Simulated {
        let simulated = Simulated { root: tempfile::tempdir().unwrap(), calls: Arc::default() };
        simulated.write("/proc/sys/kernel/osrelease", &format!("{kernel}\n"));
        simulated.write("/var/lib/dpkg/status", "");
        simulated.boots("one");
        simulated
    }

    /// The machine is in the boot of this name.
    pub(super) fn boots(&self, boot: &str) {
        self.write("/proc/sys/kernel/random/boot_id", boot);
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        write(self.root.path(), path, content);
    }

    pub(super) fn remove(&self, path: &str) {
        let path = self.root.path().join(path.trim_start_matches('/'));
        if path.is_dir() { fs_err::remove_dir_all(path).unwrap() } else { fs_err::remove_file(path).unwrap() }
    }

    pub(super) fn read(&self, path: &str) -> Option<String> {
        read(self.root.path(), path)
    }

    /// A driver works: its modules are loaded, its libraries are there.
    pub(super) fn with_driver(self, loaded: &str, library: &str) -> Simulated {
        load(self.root.path(), "nvidia", loaded);
        load(self.root.path(), "nvidia_uvm", loaded);
        self.write("/state/module", loaded);
        self.write(&format!("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{library}"), "");
        self
    }

    pub(super) fn machine(&self) -> Machine {
        let programs = Running { root: self.root.path().to_owned(), calls: self.calls.clone() };
        Machine::new(self.root.path(), Arc::new(programs))
    }

    /// Calls that were made and are no questions.
    pub(super) fn calls(&self) -> Vec<String> {
        let questions = ["modinfo", "nvidia-smi", "systemctl show", "lsinitramfs", "dkms status"];
        let calls = self.calls.lock().unwrap().clone();
        calls
            .into_iter()
            .filter(|call| !questions.iter().any(|question| call.starts_with(question)))
            .collect()
    }
}

/// GPUs and NVSwitches on the PCI bus.
pub(super) fn devices(gpus: usize, switches: usize) -> facts::Gpu {
    let device = |class: &str| facts::NvidiaDevice {
        address: "0000:17:00.0".to_owned(),
        device: "2330".to_owned(),
        class: class.to_owned(),
        driver: None,
    };
    facts::Gpu {
        devices: vec![device("0302"); gpus],
        switches: vec![device("0680"); switches],
        ..facts::Gpu::default()
    }
}

/// A bundle whose blobs are their own names.
pub(super) struct Contents {
    pub(super) manifest: Manifest,
}

impl Contents {
    pub(super) fn new(apt: &Apt, more: Vec<Artifact>) -> Contents {
        let artifacts = more.into_iter().chain([Artifact::Apt(apt.clone())]).collect();
        Contents { manifest: crate::bundle::manifest::apt::example::manifest(artifacts) }
    }
}

impl Origin for Contents {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn digest(&self) -> Digest {
        Digest::of(b"bundle")
    }

    fn open(&self, digest: Digest) -> crate::error::Result<Box<dyn io::Read + '_>> {
        let names = self.manifest.artifacts.iter().flat_map(|artifact| match artifact {
            Artifact::Apt(apt) => {
                let packages = apt.packages.iter().map(|package| package.path.clone());
                let files = apt.files.iter().map(|file| format!("{} of {}", file.path, apt.name));
                packages.chain(files).collect()
            }
            Artifact::File(file) => vec![file.path.clone()],
            _ => Vec::new(),
        });
        let name = names.into_iter().find(|name| Digest::of(name.as_bytes()) == digest);
        assert!(name.is_some(), "no blob has this digest; {KEYRING} and the like are named after the target");
        Ok(Box::new(io::Cursor::new(name.unwrap_or_default().into_bytes())))
    }

    fn name(&self) -> String {
        "the bundle".to_owned()
    }
}

/// The programs of the machine.
struct Running {
    root: PathBuf,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Programs for Running {
    fn run(&self, call: &Call) -> io::Result<Finished> {
        let words: Vec<&str> = call.arguments().iter().map(String::as_str).collect();
        let without_options: Vec<&str> = words
            .iter()
            .enumerate()
            .filter(|(index, word)| **word != "-o" && (*index == 0 || words[index - 1] != "-o"))
            .map(|(_, word)| *word)
            .collect();
        self.calls.lock().unwrap().push(format!("{} {}", call.program(), without_options.join(" ")));
        match call.program() {
            "modinfo" => Ok(self.modinfo(&words)),
            "modprobe" => Ok(self.modprobe(&words)),
            "nvidia-smi" if self.library().is_some() => Ok(self.nvidia_smi(&words)),
            "systemctl" => Ok(self.systemctl(&words)),
            "apt-get" => Ok(self.apt_get(&without_options)),
            "apt-mark" => Ok(self.hold()),
            "lsinitramfs" => Ok(well(&read(&self.root, "/state/initrd").unwrap_or_default())),
            "update-initramfs" => {
                write(
                    &self.root,
                    "/state/initrd",
                    "usr/lib/nouveau.ko\netc/modprobe.d/airlock-nouveau.conf\n",
                );
                Ok(well(""))
            }
            "dkms" => Ok(well(&read(&self.root, "/state/dkms").unwrap_or_default())),
            "nvidia-ctk" => Ok(self.cdi("/etc/cdi/nvidia.yaml")),
            program if program.ends_with(".run") => Ok(self.install_driver()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Running {
    fn library(&self) -> Option<String> {
        let entries = fs_err::read_dir(self.root.join("usr/lib/x86_64-linux-gnu")).ok()?.flatten();
        let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.find_map(|name| Some(name.strip_prefix("libnvidia-ml.so.")?.to_owned()))
    }

    fn loaded(&self) -> Option<String> {
        facts::driver_version(&read(&self.root, "/proc/driver/nvidia/version")?)
    }

    /// Of the file of the module.
    fn module_name(&self) -> String {
        read(&self.root, "/state/module-name").unwrap_or("nvidia".to_owned())
    }

    fn modinfo(&self, words: &[&str]) -> Finished {
        let name = self.module_name();
        let file = match words {
            [.., asked] if *asked != name => "/state/no-such-module".to_owned(),
            ["-F", "version", "-k", kernel, _] => format!("/state/module-{kernel}"),
            ["-F", "version", _] => "/state/module".to_owned(),
            _ => "/state/signer".to_owned(),
        };
        read(&self.root, &file)
            .map_or_else(|| failed("modinfo: ERROR: Module nvidia not found."), |text| well(&text))
    }

    fn modprobe(&self, words: &[&str]) -> Finished {
        match words {
            ["-r", module] if read(&self.root, &format!("/state/busy-{module}")).is_some() => {
                failed("in use")
            }
            ["-r", module] => {
                let _ = fs_err::remove_dir_all(self.root.join("sys/module").join(module));
                if *module == "nvidia" {
                    let _ = fs_err::remove_file(self.root.join("proc/driver/nvidia/version"));
                }
                well("")
            }
            [_] if read(&self.root, "/state/rejects").is_some() => {
                failed("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service")
            }
            [module] => {
                load(&self.root, module, &read(&self.root, "/state/module").unwrap_or_default());
                well("")
            }
            _ => failed("modprobe: ERROR"),
        }
    }

    fn nvidia_smi(&self, words: &[&str]) -> Finished {
        let is_same = self.loaded().is_some() && self.loaded() == self.library();
        match (is_same, words[0]) {
            (true, "--query-gpu=driver_version") => well(&format!("{}\n", self.loaded().unwrap())),
            (true, _) => well("NVIDIA H100 80GB HBM3, 81559\nNVIDIA H100 80GB HBM3, 81559\n"),
            (false, _) => Finished {
                status: Some(18),
                output: "Failed to initialize NVML: Driver/library version mismatch\n".to_owned(),
                errors: String::new(),
            },
        }
    }

    fn systemctl(&self, words: &[&str]) -> Finished {
        let unit = |name: &str| format!("/state/units/{name}");
        match words {
            ["show", _, name] => {
                let state = read(&self.root, &unit(name)).unwrap_or("inactive ".to_owned());
                let (active, file) = state.split_once(' ').unwrap();
                well(&format!("ActiveState={active}\nUnitFileState={file}\nMainPID=1\n"))
            }
            ["enable", .., name] => {
                write(&self.root, &unit(name), "active enabled");
                well("")
            }
            // The unit of the toolkit does nothing unless it finds `nvidia.ko` or `nvidia-current.ko`.
            ["restart", "nvidia-cdi-refresh.service"] => match self.module_name().as_str() {
                "nvidia" | "nvidia-current" => self.cdi("/run/cdi/nvidia.yaml"),
                _ => well(""),
            },
            _ => well(""),
        }
    }

    fn cdi(&self, file: &str) -> Finished {
        let version = self.loaded().unwrap_or_default();
        write(&self.root, file, &format!("hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{version}\n"));
        well("")
    }

    /// Simulates, or installs what is named: a stanza, and what the packages bring.
    fn apt_get(&self, words: &[&str]) -> Finished {
        let packages: Vec<(&str, &str)> = words.iter().filter_map(|word| word.split_once('=')).collect();
        if words.contains(&"--simulate") {
            let line =
                |(name, version): &(&str, &str)| format!("Inst {name} ({version} Airlock:airlock [amd64])\n");
            return well(&packages.iter().map(line).collect::<String>());
        }
        let mut status = read(&self.root, "/var/lib/dpkg/status").unwrap();
        for (name, version) in packages {
            status += &format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n"
            );
            match name {
                "nvidia-driver" => drop(self.install_driver()),
                "nvidia-fabricmanager" => {
                    write(&self.root, "/state/units/nvidia-fabricmanager.service", "inactive disabled")
                }
                "nvidia-container-toolkit" => write(&self.root, "/usr/bin/nvidia-ctk", ""),
                _ => {}
            }
        }
        write(&self.root, "/var/lib/dpkg/status", &status);
        well("")
    }

    fn install_driver(&self) -> Finished {
        let release = read(&self.root, "/proc/sys/kernel/osrelease").unwrap();
        match read(&self.root, "/state/module-for") {
            Some(kernel) if kernel != release.trim() => {
                write(&self.root, &format!("/state/module-{kernel}"), VERSION);
                fs_err::create_dir_all(self.root.join("lib/modules").join(kernel)).unwrap();
            }
            Some(_) => write(&self.root, "/state/module", VERSION),
            None => {}
        }
        let _ = fs_err::remove_dir_all(self.root.join("usr/lib/x86_64-linux-gnu"));
        write(&self.root, &format!("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{VERSION}"), "");
        write(&self.root, "/state/units/nvidia-persistenced.service", "inactive enabled");
        well("")
    }

    fn hold(&self) -> Finished {
        let status = read(&self.root, "/var/lib/dpkg/status").unwrap();
        write(&self.root, "/var/lib/dpkg/status", &status.replace("install ok", "hold ok"));
        well("")
    }
}

fn well(output: &str) -> Finished {
    Finished { status: Some(0), output: output.to_owned(), errors: String::new() }
}

fn failed(errors: &str) -> Finished {
    Finished { status: Some(1), output: String::new(), errors: errors.to_owned() }
}

fn load(root: &Path, module: &str, version: &str) {
    write(root, &format!("/sys/module/{module}/version"), version);
    if module == "nvidia" {
        let line =
            format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build\n");
        write(root, "/proc/driver/nvidia/version", &line);
    }
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs_err::read_to_string(root.join(path.trim_start_matches('/'))).ok()
}

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, content).unwrap();
}
