//! What DKMS made of the kernel modules of a root, since a proof says little about a driver that was not built.

use std::path::Path;

use fs_err as fs;

/// Lines that tell for which kernels DKMS built modules; none if nothing that was set up uses DKMS.
///
/// DKMS puts them into `/lib/modules/KERNEL/updates/dkms` (dkms(8)). It builds for kernels whose headers are
/// there, and skips the rest without failing.
pub(super) fn built(root: &Path, configured: &[String]) -> Vec<String> {
    let with_dkms: Vec<&str> = configured
        .iter()
        .filter_map(|line| line.strip_prefix("Setting up ")?.split([' ', ':']).next())
        .filter(|name| name.ends_with("-dkms") || name.contains("-dkms-"))
        .collect();
    if with_dkms.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> =
        kernels(root).into_iter().filter_map(|kernel| modules(root, &kernel)).collect();
    if lines.is_empty() {
        lines.push(format!(
            "DKMS built no kernel modules of {}: the headers of no kernel are installed here",
            with_dkms.join(", ")
        ));
    }
    lines
}

fn kernels(root: &Path) -> Vec<String> {
    names(&root.join("lib/modules"))
}

fn modules(root: &Path, kernel: &str) -> Option<String> {
    let built = names(&root.join("lib/modules").join(kernel).join("updates/dkms"));
    (!built.is_empty()).then(|| format!("DKMS built for {kernel}: {}", built.join(", ")))
}

/// The names in a directory, sorted; none if it is not there.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| crate::quote::escape(&entry.file_name().to_string_lossy()).into_owned())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_whether_modules_were_built() {
        let root = tempfile::tempdir().unwrap();
        let plain = ["Setting up keepalived (1)".to_owned()];
        let driver = ["Setting up nvidia-kernel-dkms (535.1-1)".to_owned()];
        assert!(built(root.path(), &plain).is_empty());
        let skipped =
            "DKMS built no kernel modules of nvidia-kernel-dkms: the headers of no kernel are installed here";
        assert_eq!(built(root.path(), &driver), [skipped]);
        let directory = root.path().join("lib/modules/6.1.0-9-amd64/updates/dkms");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("nvidia.ko"), "").unwrap();
        fs::write(directory.join("nvidia-drm.ko"), "").unwrap();
        assert_eq!(built(root.path(), &driver), ["DKMS built for 6.1.0-9-amd64: nvidia-drm.ko, nvidia.ko"]);
    }
}
