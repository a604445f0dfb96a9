//! A baseline with several hundred packages: what apt would install for a typical server, written as if it
//! were installed.

use std::collections::BTreeMap;

use airlock::debian::package::{Package, parse_index, parse_status};

use super::Result;
use super::answer::{Answer, Question};
use super::root::Root;

/// What the server has been set up with, Recommends included.
const PACKAGES: &str = "openssh-server rsyslog cron logrotate sudo vim curl wget git chrony nfs-common lvm2 mdadm \
    python3 python3-pip build-essential htop tmux screen tcpdump ethtool net-tools iproute2 iputils-ping dnsutils \
    bash-completion man-db less locales nginx postgresql apparmor unattended-upgrades smartmontools rsync jq unzip \
    zip xz-utils gnupg ca-certificates linux-image-amd64 initramfs-tools dbus libpam-systemd systemd-sysv ifupdown \
    dhcpcd-base open-iscsi cloud-init xauth strace lsof gdb default-mta";

/// Writes the status file of the server, if it is not there yet.
pub fn prepare(output: &std::path::Path, root: &Root) -> Result<()> {
    let file = root.status("server");
    if file.exists() {
        return Ok(());
    }
    let question = Question { packages: PACKAGES, baseline: "minbase", recommends: true };
    let Answer::Installs(mut missing) = question.ask(output, root)? else {
        return Err("apt cannot install the server's packages".into());
    };
    let minimal = fs_err::read(root.status("minbase"))?;
    let mut status = kept(&minimal, &missing)?;
    for index in root.indices()? {
        let text = fs_err::read(&index.file)?;
        status += &installed(&text, &mut missing)?;
    }
    fs_err::write(file, status)?;
    Ok(())
}

/// The stanzas of a status file without those of packages that are `replaced` by a newer version.
fn kept(status: &[u8], replaced: &BTreeMap<String, String>) -> Result<String> {
    let stays = |package: &Package<'_>| !replaced.contains_key(package.name);
    let stanzas = parse_status(status)?.into_iter().filter(stays);
    Ok(stanzas.map(|package| String::from_utf8_lossy(package.stanza.text()) + "\n").collect())
}

/// The stanzas of what is in `missing`, as they would stand in dpkg's status; takes them out of `missing`.
fn installed(index: &[u8], missing: &mut BTreeMap<String, String>) -> Result<String> {
    let mut status = String::new();
    for package in parse_index(index)?.usable {
        if missing.get(package.name).is_some_and(|version| version == package.version.as_str()) {
            missing.remove(package.name);
            let stanza = String::from_utf8_lossy(package.stanza.text());
            status += &format!("\nStatus: install ok installed\n{}", stanza.trim_start());
        }
    }
    Ok(status)
}
