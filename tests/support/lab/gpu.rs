//! A GPU of NVIDIA in a node, simulated: the card is on its PCI bus, the kernel's own driver nouveau has taken it, and
//! modules of a driver can be loaded. All of that lies in memory, as in a real kernel: it begins anew with every boot.
//!
//! The kernel is that of all nodes, so nothing is really loaded: `modprobe` only notes what it would load.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fs_err as fs;

use super::Result;

/// The unit that puts the card in when the node boots.
pub const UNIT: &str = "lab-gpu.service";

/// What the disk of such a node has: where, with which mode.
const FILES: [(&str, u32, &str); 3] = [
    ("etc/systemd/system/lab-gpu.service", 0o644, include_str!("gpu/power-on.service")),
    ("usr/local/lib/lab/power-on", 0o755, include_str!("gpu/power-on.sh")),
    // Before /usr/sbin in the search path.
    ("usr/local/sbin/modprobe", 0o755, include_str!("gpu/modprobe.sh")),
];

/// Writes them.
pub fn write(root: &Path) -> Result<()> {
    for (path, mode, content) in FILES {
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content)?;
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}
