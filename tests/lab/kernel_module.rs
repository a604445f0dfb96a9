//! Modules of a kernel, as modinfo(8) and depmod(8) read them. Nothing is in them to be loaded.

use std::path::Path;
use std::process::Command;

use fs_err as fs;

/// The format of programs of this machine, in the words of objcopy(1).
const FORMAT: &str = if cfg!(target_arch = "aarch64") { "elf64-littleaarch64" } else { "elf64-x86-64" };

/// A module of this name and version for a kernel. `directory` is for what lies about meanwhile.
pub fn file(directory: &Path, name: &str, version: &str, kernel: &str) -> Vec<u8> {
    let section = format!("name={name}\0version={version}\0license=Dual MIT/GPL\0vermagic={kernel} SMP \0");
    let (from, to) = (directory.join("modinfo"), directory.join("module.ko"));
    fs::write(&from, section).unwrap();
    let mut objcopy = Command::new("objcopy");
    objcopy.args(["--input-target", "binary", "--output-target", FORMAT]);
    objcopy.args(["--rename-section", ".data=.modinfo,alloc,load,readonly,data,contents"]);
    let output = objcopy.args([&from, &to]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read(to).unwrap()
}
