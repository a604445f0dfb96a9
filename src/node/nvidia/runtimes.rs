//! Which runtimes for GPUs k3s finds when it starts.

use crate::node::machine::Machine;

/// Where k3s looks: two places of its own, then the path of services.
const DIRECTORIES: [&str; 8] = [
    "/usr/local/nvidia/toolkit",
    "/opt/kwasm/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The programs that it looks for.
const PROGRAMS: [&str; 3] =
    ["nvidia-container-runtime", "nvidia-container-runtime-experimental", "nvidia-container-runtime.cdi"];

/// The runtimes that k3s would find now, a path a line. It looks only when it starts, so this is a part of the
/// configuration that a running k3s was started with: where it changes, k3s has to be restarted.
pub fn runtimes(machine: &Machine) -> String {
    let found = PROGRAMS.iter().filter_map(|program| {
        let mut paths = DIRECTORIES.iter().map(|directory| format!("{directory}/{program}"));
        paths.find(|path| machine.path(path).exists())
    });
    found.map(|path| format!("{path}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    #[test]
    fn the_first_of_each_is_found() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        assert_eq!(runtimes(&machine), "");
        for path in ["usr/local/nvidia/toolkit", "usr/bin"] {
            fs_err::create_dir_all(root.path().join(path)).unwrap();
            fs_err::write(root.path().join(path).join("nvidia-container-runtime"), "").unwrap();
        }
        fs_err::write(root.path().join("usr/bin/nvidia-container-runtime.cdi"), "").unwrap();
        assert_eq!(
            runtimes(&machine),
            "/usr/local/nvidia/toolkit/nvidia-container-runtime\n/usr/bin/nvidia-container-runtime.cdi\n"
        );
    }
}
