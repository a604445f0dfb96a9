//! What an administrator has set on a server before Airlock comes: sources of packages, a resolver.

use std::path::Path;

use fs_err as fs;

use super::Result;
use super::release::Release;
use super::root::{archive, mirror};

/// A resolver that does not exist (RFC 5737): sites without internet often keep the one of their image.
const RESOLVER: &str = "nameserver 192.0.2.53\n";

/// Settles a fresh root.
pub fn write(root: &Path, release: Release) -> Result<()> {
    let etc = root.join("etc");
    fs::write(etc.join("apt/sources.list"), sources(release)?)?;
    fs::write(etc.join("resolv.conf"), RESOLVER)?;
    // Empty: systemd makes a new one at the first boot of every node (machine-id(5)).
    fs::write(etc.join("machine-id"), "")?;
    fs::write(etc.join("fstab"), "")?;
    Ok(())
}

/// Those of this machine, for another release of the same archive.
fn sources(release: Release) -> Result<String> {
    let (archive_address, name) = (mirror()?, release.as_str());
    let mut sources =
        format!("deb {archive_address} {name} main\ndeb {archive_address} {name}-updates main\n");
    if let Some(security) = archive("Debian-Security") {
        sources += &format!("deb {security} {name}-security main\n");
    }
    Ok(sources)
}

/// What is different from node to node.
pub fn name(root: &Path, node: &str) -> Result<()> {
    fs::write(root.join("etc/hostname"), format!("{node}\n"))?;
    let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {node}\n::1 localhost ip6-localhost ip6-loopback\n");
    fs::write(root.join("etc/hosts"), hosts)?;
    Ok(())
}
