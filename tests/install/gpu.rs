//! The kernel and the GPU of the machine: modules that are loaded and unloaded, and NVIDIA's programs.

use std::io;

use airlock::node::facts::{Gpu, NvidiaDevice, driver_version};
use airlock::node::machine::{Call, Finished};

use super::disk::Disk;
use super::programs::{failed, well};

/// The version of the driver that its installer brings.
pub const VERSION: &str = "580.126.20";

/// The kernel that runs.
const KERNEL: &str = "6.1.0-41-amd64";

/// What keeps nouveau from loading, as the initial RAM disk lists it.
const NOUVEAU_LIST: &str = "etc/modprobe.d/airlock-nouveau.conf";

/// What the installer leaves for getting rid of the driver.
const UNINSTALLER: &str = "/usr/bin/nvidia-uninstall";

/// What the installer of the driver puts on the disk.
fn driver_files() -> [String; 3] {
    [
        format!("/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{VERSION}"),
        "/usr/lib/systemd/system/nvidia-persistenced.service".to_owned(),
        UNINSTALLER.to_owned(),
    ]
}

/// What is on the PCI bus: a GPU, and an NVSwitch.
pub fn devices() -> Gpu {
    let device = |class: &str| NvidiaDevice {
        address: "0000:17:00.0".to_owned(),
        device: "2330".to_owned(),
        class: class.to_owned(),
        driver: None,
    };
    Gpu { devices: vec![device("0302")], switches: vec![device("0680")], ..Gpu::default() }
}

/// What the kernel has when the machine has booted: nouveau, if it is in the initial RAM disk and nothing keeps it
/// from loading. A console is drawn by it then.
pub fn boot(disk: &Disk) -> io::Result<()> {
    disk.write("/proc/sys/kernel/osrelease", &format!("{KERNEL}\n"))?;
    disk.write("/proc/sys/net/ipv4/ip_forward", "0\n")?;
    disk.write(&format!("/boot/initrd.img-{KERNEL}"), "")?;
    disk.remove("/sys/module")?;
    disk.remove("/proc/driver")?;
    match disk.read("/state/initrd")?.contains(NOUVEAU_LIST) {
        true => Ok(()),
        false => disk.write("/sys/module/nouveau/refcnt", "1"),
    }
}

/// What the programs of the kernel and of NVIDIA do; nothing if it is none of them.
pub fn run(disk: &Disk, call: &Call, words: &[&str]) -> io::Result<Option<Finished>> {
    Ok(Some(match call.program() {
        "modinfo" => modinfo(disk, words)?,
        "modprobe" => modprobe(disk, words)?,
        "lsinitramfs" => well(&format!("usr/lib/nouveau.ko\n{}", disk.read("/state/initrd")?)),
        "update-initramfs" => {
            let lists = if disk.has(&format!("/{NOUVEAU_LIST}")) { NOUVEAU_LIST } else { "" };
            disk.write("/state/initrd", &format!("{lists}\n"))?;
            well("")
        }
        program if program.ends_with(".run") => {
            disk.write("/state/module", VERSION)?;
            driver_files().iter().try_for_each(|file| disk.write(file, ""))?;
            well("")
        }
        // Itself last, so that one that was interrupted can be run again.
        UNINSTALLER => {
            driver_files().iter().try_for_each(|file| disk.remove(file))?;
            well("")
        }
        "nvidia-smi" if !disk.read("/state/module")?.is_empty() => nvidia_smi(disk, words)?,
        "nvidia-ctk" => {
            let file = words.iter().find_map(|word| word.strip_prefix("--output=")).unwrap_or_default();
            disk.write(file, &format!("hostPath: /usr/lib/x86_64-linux-gnu/libcuda.so.{VERSION}\n"))?;
            well("")
        }
        _ => return Ok(None),
    }))
}

fn modinfo(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    let version = disk.read("/state/module")?;
    Ok(match words {
        ["-F", "version", "nvidia"] if !version.is_empty() => well(&version),
        _ => failed("modinfo: ERROR: Module not found."),
    })
}

fn modprobe(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    match words {
        ["-r", "nouveau"] => return Ok(failed("modprobe: FATAL: Module nouveau is in use.")),
        ["-r", module] => disk.remove(&format!("/sys/module/{module}"))?,
        ["--", module] => disk.write(&format!("/sys/module/{module}/refcnt"), "0")?,
        [module] => {
            if *module == "nvidia" {
                let line =
                    format!("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {VERSION}  Release\n");
                disk.write("/proc/driver/nvidia/version", &line)?;
            }
            // The last file decides: the kernel loads a module as a whole, even if who has asked for it is killed.
            disk.write(&format!("/sys/module/{module}/version"), VERSION)?;
        }
        _ => return Ok(failed("modprobe: ERROR")),
    }
    Ok(well(""))
}

fn nvidia_smi(disk: &Disk, words: &[&str]) -> io::Result<Finished> {
    let loaded = driver_version(&disk.read("/proc/driver/nvidia/version")?);
    Ok(match (loaded, words.first()) {
        (Some(version), Some(&"--query-gpu=driver_version")) => well(&format!("{version}\n")),
        (Some(_), _) => well("NVIDIA H100 80GB HBM3, 81559\n"),
        (None, _) => failed("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
    })
}
