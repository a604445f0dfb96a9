//! File systems and disks: `/proc/self/mountinfo` (proc(5)), `/sys/block`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host::System;
use super::root::Root;

/// Directories that matter on every node.
const DIRECTORIES: [&str; 8] =
    ["/", "/boot", "/tmp", "/usr", "/var", "/var/lib/airlock", "/var/lib/kubelet", "/var/lib/rancher"];

/// What a machine can store, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// The directories that matter, each with the file system it is or would be on.
    pub directories: Vec<FileSystem>,
    /// Whether `/proc` is mounted.
    pub proc_mounted: bool,
    /// Disks.
    pub disks: Vec<BlockDevice>,
}

impl Storage {
    /// What is known about a directory.
    pub fn directory(&self, path: &str) -> Option<&FileSystem> {
        self.directories.iter().find(|directory| directory.directory == path)
    }
}

/// A directory and the file system it is on, or would be on if it were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSystem {
    /// The directory.
    pub directory: String,
    /// The nearest directory above it that is there; itself if it is there.
    pub existing: String,
    /// Where a symbolic link leads that stands in its place.
    pub link: Option<String>,
    /// The directories above it, and itself, that not everybody may enter.
    pub closed: Vec<String>,
    /// Where its file system is mounted.
    pub mount_point: Option<String>,
    /// Its kind, such as `ext4`.
    pub kind: Option<String>,
    /// The device, as `major:minor`; equal for directories that share their space.
    pub device: Option<String>,
    /// What is mounted.
    pub source: Option<String>,
    /// How it is mounted, such as `ro` or `noexec`.
    pub options: Vec<String>,
    /// Its size in bytes.
    pub total: Option<u64>,
    /// What everybody may use of it, in bytes.
    pub available: Option<u64>,
    /// What is in use, in bytes.
    pub used: Option<u64>,
    /// Inodes; 0 where the file system makes them as it needs them.
    pub inodes: Option<u64>,
    /// Inodes that are free.
    pub free_inodes: Option<u64>,
    /// Whether it stores types of files, which overlayfs needs; `None` if that is not known.
    pub file_types: Option<bool>,
}

impl FileSystem {
    /// Whether it is mounted with an option.
    pub fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|own| own == option)
    }
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockDevice {
    /// Its name below `/dev`.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it turns.
    pub rotational: Option<bool>,
    /// Whether it can be taken out.
    pub removable: Option<bool>,
    /// What its maker calls it.
    pub model: Option<String>,
}

pub(super) fn gather(root: &Root<'_>, system: &dyn System, further: &[String]) -> Storage {
    let mounts = root.text("/proc/self/mountinfo").map(|text| mounts(&text)).unwrap_or_default();
    let mut directories: Vec<&str> = DIRECTORIES.to_vec();
    directories.extend(further.iter().map(String::as_str));
    directories.sort_unstable();
    directories.dedup();
    Storage {
        proc_mounted: mounts.iter().any(|mount| mount.kind == "proc" && mount.point == "/proc"),
        directories: directories.iter().map(|path| directory(root, system, &mounts, path)).collect(),
        disks: disks(root),
    }
}

fn directory(root: &Root<'_>, system: &dyn System, mounts: &[Mount], path: &str) -> FileSystem {
    let existing = nearest(root, path);
    let real = fs_err::canonicalize(root.at(&existing)).unwrap_or_else(|_| root.at(&existing));
    let inside = real.strip_prefix(root.at("/")).map(|inside| Path::new("/").join(inside));
    let resolved = inside.unwrap_or_else(|_| Path::new(&existing).to_path_buf());
    // Of mounts one over the other the last is seen.
    let mount = mounts
        .iter()
        .enumerate()
        .filter(|(_, mount)| resolved.starts_with(&mount.point))
        .max_by_key(|(index, mount)| (Path::new(&mount.point).components().count(), *index))
        .map(|(_, mount)| mount);
    let space = system.space(&real);
    if let Err(error) = &space {
        root.note(&existing, format!("its space is not known: {error}"));
    }
    let space = space.ok();
    FileSystem {
        link: root.link(path).and_then(|target| target.to_str().map(str::to_owned)),
        closed: closed(root, &existing),
        mount_point: mount.map(|mount| mount.point.clone()),
        kind: mount.map(|mount| mount.kind.clone()),
        device: mount.map(|mount| mount.device.clone()),
        source: mount.map(|mount| mount.source.clone()),
        options: mount.map(|mount| mount.options.clone()).unwrap_or_default(),
        total: space.map(|space| space.total),
        available: space.map(|space| space.available),
        used: space.map(|space| space.total.saturating_sub(space.free)),
        inodes: space.map(|space| space.inodes),
        free_inodes: space.map(|space| space.free_inodes),
        file_types: system.stores_file_types(&real),
        directory: path.to_owned(),
        existing,
    }
}

fn nearest(root: &Root<'_>, path: &str) -> String {
    let above = Path::new(path).ancestors().filter_map(Path::to_str);
    let there = |path: &&str| fs_err::metadata(root.at(path)).is_ok_and(|found| found.is_dir());
    above.into_iter().find(there).unwrap_or("/").to_owned()
}

/// The directories down to `path` that not everybody may enter: programs of other users inside could not run.
fn closed(root: &Root<'_>, path: &str) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let is_closed = |path: &&str| {
        fs_err::metadata(root.at(path)).is_ok_and(|found| found.permissions().mode() & 0o001 == 0)
    };
    let above = Path::new(path).ancestors().filter_map(Path::to_str);
    above.filter(|path| *path != "/").filter(is_closed).map(str::to_owned).collect()
}

fn disks(root: &Root<'_>) -> Vec<BlockDevice> {
    const SECTOR: u64 = 512;
    let names = root.names("/sys/block").into_iter();
    let real = names.filter(|name| !["loop", "ram", "zram", "sr"].iter().any(|kind| name.starts_with(kind)));
    real.filter_map(|name| {
        let file = |file: &str| format!("/sys/block/{name}/{file}");
        let flag = |path: &str| root.line(&file(path)).map(|line| line == "1");
        let size = root.number::<u64>(&file("size"))?.checked_mul(SECTOR).filter(|size| *size > 0)?;
        Some(BlockDevice {
            size,
            rotational: flag("queue/rotational"),
            removable: flag("removable"),
            model: root.line(&file("device/model")),
            name,
        })
    })
    .collect()
}

/// A line of `mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    point: String,
    kind: String,
    device: String,
    source: String,
    options: Vec<String>,
}

fn mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn mount(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut mount = mount.split(' ');
    let device = mount.nth(2)?.to_owned();
    let point = unescaped(mount.nth(1)?);
    let mut options: Vec<String> = mount.next()?.split(',').map(str::to_owned).collect();
    let mut file_system = file_system.split(' ');
    let (kind, source) = (file_system.next()?.to_owned(), unescaped(file_system.next()?));
    // What holds for the file system as a whole, such as `ro` after an error of its disk.
    for option in file_system.next().unwrap_or_default().split(',') {
        if !option.is_empty() && !options.iter().any(|own| own == option) && option != "rw" {
            options.push(option.to_owned());
        }
    }
    Some(Mount { point, kind, device, source, options })
}

/// Spaces, tabs, line breaks and backslashes are written as three octal digits.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let digits = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push_str(&rest[..at]);
        match digits.filter(u8::is_ascii) {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mount_has_the_options_of_both_kinds() {
        let line = r"36 35 98:0 / /media/my\040stick rw,noexec master:1 - vfat /dev/sdb1 ro,errors=continue";
        let mount = mount(line).unwrap();
        assert_eq!((mount.point.as_str(), mount.kind.as_str()), ("/media/my stick", "vfat"));
        assert_eq!((mount.device.as_str(), mount.source.as_str()), ("98:0", "/dev/sdb1"));
        assert_eq!(mount.options, ["rw", "noexec", "ro", "errors=continue"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([0-9:]{1,3} |/[a-zß\\\\0-9]{0,6} |rw,ro |- |ext4|\n){0,40}") {
            prop_assert!(mounts(&text).len() <= text.lines().count());
        }

        #[test]
        fn what_has_no_escapes_stays(text in "[a-zß/ ]{0,20}") {
            prop_assert_eq!(unescaped(&text), text);
        }
    }
}
