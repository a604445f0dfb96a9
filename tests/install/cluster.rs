//! What a cluster leaves on its machine besides files: a container, a mount, network interfaces, rules of the firewall;
//! and the programs that take them away.

use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use airlock::node::machine::{Call, Finished};

use super::disk::Disk;
use super::programs::well;
use super::virtual_address;

const MOUNTS: &str = "/proc/self/mountinfo";
const LINKS: &str = "/state/links";
const ADDRESSES: &str = "/state/addresses";
const RULES: &str = "/state/iptables";

/// What a shim of containerd is called.
const SHIM: &str = "/var/lib/rancher/k3s/data/current/bin/containerd-shim-runc-v2";

/// A process of the machine that runs here, ended with the test.
pub struct Container(Child);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Leaves all of it.
pub fn leave(disk: &Disk) -> io::Result<Container> {
    let mount = "36 35 0:42 / /var/lib/kubelet/pods/1/volumes rw - tmpfs tmpfs rw\n";
    disk.write(MOUNTS, &format!("1 0 8:1 / / rw - ext4 /dev/root rw\n{mount}"))?;
    disk.write(LINKS, "eth0\ncni0\nflannel.1\n")?;
    disk.write(ADDRESSES, &format!("{}/32\n", virtual_address::ADDRESS))?;
    disk.write(RULES, "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A INPUT -j SITE\nCOMMIT\n")?;
    let container = Container(Command::new("sleep").arg0(SHIM).arg("infinity").spawn()?);
    let name = format!("/proc/{}", container.0.id());
    symlink(&name, disk.path(&name))?;
    Ok(container)
}

/// What the programs do about it; nothing if it is none of them, or there was never a cluster.
pub fn run(disk: &Disk, call: &Call, words: &[&str]) -> io::Result<Option<Finished>> {
    Ok(Some(match (call.program(), words) {
        ("ip", ["-json", "link", "show"]) if disk.has(LINKS) => {
            let link = |name: &str| serde_json::json!({"ifname": name});
            let links: Vec<_> = disk.read(LINKS)?.lines().map(link).collect();
            well(&serde_json::Value::from(links).to_string())
        }
        ("ip", ["link", "delete", name]) => without_lines(disk, LINKS, |line| line == *name)?,
        ("ip", ["-json", "address", "show", "to", address]) if disk.has(ADDRESSES) => {
            let addresses = disk.read(ADDRESSES)?;
            let own =
                addresses.lines().filter_map(|line| line.split_once('/')).filter(|(own, _)| own == address);
            let own = own.map(|(own, _)| serde_json::json!({"local": own, "prefixlen": 32}));
            let shown = serde_json::json!([{"ifname": "eth0", "addr_info": own.collect::<Vec<_>>()}]);
            well(&shown.to_string())
        }
        ("ip", ["address", "delete", address, "dev", "eth0"]) => {
            without_lines(disk, ADDRESSES, |line| line == *address)?
        }
        ("umount", ["-f", "--", path]) => {
            without_lines(disk, MOUNTS, |line| line.split(' ').nth(4) == Some(path))?
        }
        ("iptables-save", _) if disk.has(RULES) => well(&disk.read(RULES)?),
        ("iptables-restore", _) => {
            disk.write(RULES, &String::from_utf8_lossy(call.standard_input().unwrap_or_default()))?;
            well("")
        }
        _ => return Ok(None),
    }))
}

fn without_lines(disk: &Disk, path: &str, goes: impl Fn(&str) -> bool) -> io::Result<Finished> {
    let text = disk.read(path)?;
    let kept = text.lines().filter(|line| !goes(line)).map(|line| format!("{line}\n"));
    disk.write(path, &kept.collect::<String>())?;
    Ok(well(""))
}
