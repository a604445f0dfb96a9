//! What an administrator has set on a server before Airlock comes: sources of packages, a resolver, the policy of
//! the site.

use std::path::Path;

use fs_err as fs;

use super::release::Release;
use super::root::{archive, mirror};
use super::{Result, login};

/// A resolver that does not exist (RFC 5737): sites without internet often keep the one of their image.
const RESOLVER: &str = "nameserver 192.0.2.53\n";

/// What is different from a server because a node is a container, and why that does no harm here.
const POLICY: &str = "apiVersion: airlock/v1\nkind: PreflightPolicy\nchecks:\n  \
    D13: {severity: info, reason: the disk of a node of the lab is a layer over a shared one}\n  \
    K3: {severity: info, reason: control groups of a node of the lab are those that its host has to spare}\n";

/// Settles a fresh root.
pub fn write(root: &Path, release: Release) -> Result<()> {
    let etc = root.join("etc");
    fs::write(etc.join("apt/sources.list"), sources(release)?)?;
    fs::write(etc.join("resolv.conf"), RESOLVER)?;
    // Empty: systemd makes a new one at the first boot of every node (machine-id(5)).
    fs::write(etc.join("machine-id"), "")?;
    fs::write(etc.join("fstab"), "")?;
    fs::create_dir_all(etc.join("airlock"))?;
    fs::write(etc.join("airlock/preflight-policy.yaml"), POLICY)?;
    login::prepare(root)
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
