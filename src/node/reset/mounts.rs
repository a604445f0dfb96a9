//! Mounts that containers and pods have left behind.

use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{Call, Machine};
use crate::node::step::{Outcome, Step, names};
use crate::node::work::Work;

/// Where k3s, its kubelet and its network plugins mount.
const PLACES: [&str; 5] = [
    "/run/k3s",
    "/run/netns/cni-",
    "/var/lib/kubelet/pods",
    "/var/lib/kubelet/plugins",
    "/var/lib/rancher/k3s",
];

/// The step that takes them off.
pub(super) struct Mounts;

/// Everything mounted at `path` and below, the deepest first.
pub(super) fn below(machine: &Machine, path: &str) -> Result<Vec<String>> {
    let is_below = |mount: &String| {
        mount.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    Ok(all(machine)?.into_iter().filter(is_below).collect())
}

/// All mounts, the newest first; a mount on top of another one comes before it.
fn all(machine: &Machine) -> Result<Vec<String>> {
    let text = machine.read_text("/proc/self/mountinfo")?.unwrap_or_default();
    let mut mounts: Vec<String> = text.lines().filter_map(mount_point).collect();
    mounts.reverse();
    Ok(mounts)
}

/// The fifth field of a line of `/proc/self/mountinfo`, with its octal escapes undone (proc(5)).
fn mount_point(line: &str) -> Option<String> {
    let field = line.split(' ').nth(4)?;
    let mut parts = field.split('\\');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let byte = part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok())?;
        text.push(char::from(byte));
        text.push_str(part.get(3..)?);
    }
    Some(text)
}

fn left(machine: &Machine) -> Result<Vec<String>> {
    let is_ours = |mount: &String| {
        PLACES.iter().any(|place| {
            let rest = mount.strip_prefix(place);
            // The data directory itself may be a file system of its own: that one stays.
            let inside = rest.is_some_and(|rest| rest.starts_with('/'));
            inside || place.ends_with('-') && rest.is_some()
        })
    };
    Ok(all(machine)?.into_iter().filter(is_ours).collect())
}

impl Step for Mounts {
    fn name(&self) -> &'static str {
        names::RESET_MOUNTS
    }

    fn title(&self) -> String {
        "Unmount what containers have left".to_owned()
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        Ok(left(machine)?
            .into_iter()
            .map(|mount| Change::new(Verb::Remove, mount).with_detail("mount"))
            .collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        for mount in left(work.machine())? {
            // A mount that is shared goes with its copies.
            if !all(work.machine())?.contains(&mount) {
                continue;
            }
            work.run(Call::new("umount").with(["-f", "--", &mount]))?;
        }
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::node::machine::SystemPrograms;

    #[test]
    fn mounts_of_pods_go_the_deepest_first_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(root.path().join("proc/self")).unwrap();
        let lines = [
            "/",
            "/var/lib/rancher/k3s",
            "/run/k3s/a",
            "/var/lib/kubelet/pods/1/volumes/my\\040data",
            "/var/lib/kubelet/pods/1/volumes/my\\040data/sub",
            "/run/netns/cni-1234",
            "/var/lib/kubelet2",
            "/run/k3s2/x",
        ];
        let text: String = lines
            .iter()
            .map(|path| format!("36 35 98:0 / {path} rw,noatime shared:1 - ext3 /dev/root rw\n"))
            .collect();
        fs_err::write(root.path().join("proc/self/mountinfo"), text).unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        assert_eq!(
            left(&machine).unwrap(),
            [
                "/run/netns/cni-1234",
                "/var/lib/kubelet/pods/1/volumes/my data/sub",
                "/var/lib/kubelet/pods/1/volumes/my data",
                "/run/k3s/a"
            ]
        );
        assert_eq!(below(&machine, "/var/lib/kubelet/pods/1").unwrap().len(), 2);
        assert_eq!(below(&machine, "/var/lib/rancher/k3s").unwrap(), ["/var/lib/rancher/k3s"]);
    }
}
