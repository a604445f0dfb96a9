//! Linux security modules, lockdown and Secure Boot.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// What may forbid programs or modules to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Security {
    /// Whether AppArmor is on in the kernel.
    pub apparmor: bool,
    /// What SELinux does.
    pub selinux: Selinux,
    /// Whether a policy for SELinux is installed (`/usr/share/selinux`).
    pub selinux_policy: bool,
    /// Lockdown of the kernel; `None` if it has none or this may not be read.
    pub lockdown: Option<Lockdown>,
    /// Whether the firmware checks signatures; `None` without UEFI.
    pub secure_boot: Option<bool>,
}

/// What SELinux does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Selinux {
    /// Nothing.
    #[default]
    Disabled,
    /// It reports.
    Permissive,
    /// It forbids.
    Enforcing,
}

/// How far the kernel is locked down (kernel_lockdown(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Lockdown {
    /// Not at all.
    None,
    /// Unsigned modules are not loaded.
    Integrity,
    /// Secrets of the kernel cannot be read either.
    Confidentiality,
}

const SECURE_BOOT: &str = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn gather(root: &Root<'_>) -> Security {
    let selinux = match root.line("/sys/fs/selinux/enforce").as_deref() {
        Some("1") => Selinux::Enforcing,
        Some(_) => Selinux::Permissive,
        None => Selinux::Disabled,
    };
    Security {
        apparmor: root.line("/sys/module/apparmor/parameters/enabled").as_deref() == Some("Y"),
        selinux,
        selinux_policy: root.exists("/usr/share/selinux"),
        lockdown: root.line("/sys/kernel/security/lockdown").and_then(|line| lockdown(&line)),
        // Four bytes of attributes, then the value (UEFI, 3.3 "Globally Defined Variables").
        secure_boot: root.bytes(SECURE_BOOT, 64).map(|bytes| bytes.get(4) == Some(&1)),
    }
}

/// The word in brackets: `none [integrity] confidentiality`.
fn lockdown(line: &str) -> Option<Lockdown> {
    match line.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))? {
        "none" => Some(Lockdown::None),
        "integrity" => Some(Lockdown::Integrity),
        "confidentiality" => Some(Lockdown::Confidentiality),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_brackets_holds() {
        assert_eq!(lockdown("none [integrity] confidentiality"), Some(Lockdown::Integrity));
        assert_eq!(lockdown("none integrity"), None);
    }
}
