//! `scripts/bench apt-baselines`: records which packages a usual server and the cloud image of a release have.
//!
//! The apt of the release itself is asked, in its root, what it would install on an empty disk.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use airlock::debian::package::{Package, Priority, parse_index};

use super::Result;
use super::answer::{Answer, Question};
use super::measure::tell;
use super::root::Root;

/// Hosts and the code names of their releases. Ubuntu's archive is needed for Ubuntu's.
const RELEASES: [(&str, &str); 2] = [("debian-12", "bookworm"), ("debian-13", "trixie")];
const DIRECTORY: &str = "manifests/baselines";

/// A kind of installation.
struct Kind {
    name: &'static str,
    /// How it comes about, for the head of the list.
    description: &'static str,
    /// Packages below this priority come by name only.
    priority: Priority,
    /// What is there besides; what a release does not have is left out.
    packages: &'static [&'static str],
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "server",
        description: "what the installer puts on a server with \"SSH server\" and \"standard system utilities\": every\n\
            # package of the priorities required, important and standard, the boot loader's tools, and the task",
        priority: Priority::Standard,
        packages: &[
            "apt",
            "console-setup",
            "grub-common",
            "grub2-common",
            "initramfs-tools",
            "keyboard-configuration",
            "openssh-client",
            "openssh-server",
            "systemd-sysv",
            "systemd-timesyncd",
            "task-ssh-server",
            "tasksel",
        ],
    },
    Kind {
        name: "cloud",
        description: "what the configuration of Debian's image genericcloud installs (classes CLOUD and SYSTEM_BOOT of\n\
            # debian-cloud-images): every package of the priority required, and those it lists",
        priority: Priority::Required,
        packages: &[
            "apparmor",
            "apt",
            "apt-utils",
            "ca-certificates",
            "cloud-guest-utils",
            "cloud-init",
            "dbus",
            "fdisk",
            "grub-common",
            "grub2-common",
            "init",
            "initramfs-tools",
            "iptables",
            "iputils-ping",
            "less",
            "libnss-myhostname",
            "libpam-systemd",
            "linux-sysctl-defaults",
            "nano",
            "netbase",
            "netplan.io",
            "openssh-server",
            "polkitd",
            "python3",
            "ssh-import-id",
            "sudo",
            "systemd-resolved",
            "systemd-sysv",
            "systemd-timesyncd",
            "unattended-upgrades",
            "vim-tiny",
            "whiptail",
            "zstd",
        ],
    },
];

/// Writes all lists, with roots below `output`.
pub fn run(output: &Path) -> Result<bool> {
    for (host, release) in RELEASES {
        let root = Root::prepare(output, release)?;
        fs_err::write(root.status("nothing"), "")?;
        for kind in &KINDS {
            let names = kind.ask(output, &root)?;
            let file = Path::new(DIRECTORY).join(format!("{host}-{}.txt", kind.name));
            fs_err::write(&file, kind.text(host, &names))?;
            tell(&format!("{}: {} packages", file.display(), names.len()));
        }
    }
    Ok(true)
}

impl Kind {
    fn ask(&self, output: &Path, root: &Root) -> Result<BTreeSet<String>> {
        let mut requests = self.requests(root)?;
        let packages = self.install(output, root, &requests)?;
        if !packages.contains("usrmerge") {
            return Ok(packages);
        }
        // The installer merges /usr itself, so that usrmerge and the Perl it needs are not there.
        requests.insert("usr-is-merged".to_owned());
        self.install(output, root, &requests)
    }

    fn install(&self, output: &Path, root: &Root, requests: &BTreeSet<String>) -> Result<BTreeSet<String>> {
        let packages = requests.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let question = Question { packages: &packages, baseline: "nothing", recommends: false };
        match question.ask(output, root)? {
            Answer::Installs(packages) => Ok(packages.into_keys().filter(|name| !is_kernel(name)).collect()),
            other => Err(format!("apt does not install {}: {other:?}", self.name).into()),
        }
    }

    /// By priority and by name, as far as the release has them.
    fn requests(&self, root: &Root) -> Result<BTreeSet<String>> {
        let mut requests = BTreeSet::new();
        // Firmware for one make of processor is standard in another component.
        for index in root.indices()?.into_iter().filter(|index| index.provenance.component == "main") {
            let text = fs_err::read(&index.file)?;
            let packages = parse_index(&text)?.usable;
            requests.extend(
                packages.iter().filter(|package| self.has(package)).map(|package| package.name.to_owned()),
            );
        }
        Ok(requests)
    }

    fn has(&self, package: &Package<'_>) -> bool {
        let by_priority = package.priority.is_some_and(|priority| priority <= self.priority);
        let by_name = self.packages.contains(&package.name);
        (by_priority || by_name || package.essential) && !is_kernel(package.name)
    }

    fn text(&self, host: &str, names: &BTreeSet<String>) -> String {
        let mut text = format!(
            "# The baseline `{}` of {host}: {},\n# with all they depend on and without what is only recommended.\n\
             # The kernel is left out, since its name has its version in it.\n\
             # Recorded by `scripts/bench apt-baselines` from what the apt of the release says.\n",
            self.name, self.description
        );
        for name in names {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}");
        }
        text
    }
}

fn is_kernel(name: &str) -> bool {
    name.starts_with("linux-image-")
}
