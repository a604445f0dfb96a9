//! The directory a bundle is written to: what its file system can hold, and how much room is left.

use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::Access;

use crate::error::{Error, Result, codes};

/// Largest file of FAT32: its size field has 32 bits.
pub const FAT32_FILE_LIMIT: u64 = u32::MAX as u64;

/// Smallest volume that makes sense; below it a bundle would be mostly headers.
pub const SMALLEST_VOLUME: u64 = 64 << 10;

/// What is known about a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// `f_type` of statfs(2), for example `0x4d44` for FAT.
    pub magic: i64,
    /// Bytes that an unprivileged process may still write.
    pub available: u64,
}

/// Looks at file systems. A trait, so that tests can pretend to have a stick.
pub trait Probe: Sync {
    /// Looks at the file system that holds `directory`.
    fn probe(&self, directory: &Path) -> std::io::Result<FileSystem>;
}

/// Asks the kernel.
pub struct Kernel;

impl Probe for Kernel {
    fn probe(&self, directory: &Path) -> std::io::Result<FileSystem> {
        let answer = rustix::fs::statfs(directory)?;
        let available = answer.f_bavail.saturating_mul(u64::try_from(answer.f_bsize).unwrap_or(0));
        Ok(FileSystem { magic: answer.f_type as i64, available })
    }
}

/// How volumes are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeSize {
    /// As the file system of the target needs it.
    Automatic,
    /// One volume, whatever its size.
    Unlimited,
    /// At most so many bytes each.
    Limit(u64),
}

impl VolumeSize {
    /// The largest size of a volume file in bytes, a multiple of 512; `None` for no limit.
    pub fn limit(self, file_system: FileSystem) -> Result<Option<u64>> {
        let fat = (is_fat(file_system.magic)).then_some(FAT32_FILE_LIMIT);
        let limit = match self {
            VolumeSize::Automatic => fat,
            VolumeSize::Unlimited if fat.is_some() => return Err(beyond_fat("no limit")),
            VolumeSize::Unlimited => None,
            VolumeSize::Limit(bytes) if fat.is_some_and(|fat| bytes > fat) => {
                return Err(beyond_fat(&format!("{bytes} bytes")));
            }
            VolumeSize::Limit(bytes) if bytes < SMALLEST_VOLUME => {
                return Err(Error::new(codes::USAGE, format!("volumes of {bytes} bytes are too small"))
                    .with_help(format!("the smallest `--volume-size` is {SMALLEST_VOLUME} bytes (64KiB)")));
            }
            VolumeSize::Limit(bytes) => Some(bytes),
        };
        Ok(limit.map(|bytes| bytes - bytes % 512))
    }
}

fn beyond_fat(asked: &str) -> Error {
    Error::new(
        codes::TARGET_LIMIT,
        format!("the target is FAT, whose files end at 4 GiB - 1; asked was {asked}"),
    )
    .with_help("leave `--volume-size` out, or give at most 4294967295")
}

/// FAT12, FAT16 and FAT32 share one magic number (linux/magic.h, `MSDOS_SUPER_MAGIC`).
fn is_fat(magic: i64) -> bool {
    magic == 0x4d44
}

/// Creates the directory if it is missing, and makes sure that files can be written there.
///
/// # Errors
/// `E0605` when something else has its name, `E0010` when it is read-only or belongs to somebody else.
pub fn prepare(directory: &Path) -> Result<()> {
    let writable = Access::WRITE_OK | Access::EXEC_OK;
    let prepared = fs_err::create_dir_all(directory)
        .and_then(|()| rustix::fs::access(directory, writable).map_err(std::io::Error::from));
    prepared.map_err(|error| unusable(directory, error))
}

fn unusable(directory: &Path, error: std::io::Error) -> Error {
    let shown = directory.display();
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            Error::new(codes::TARGET_EXISTS, format!("{shown} cannot be a directory: a file has that name"))
                .with_help("name a directory, or a name that is free")
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Error::new(codes::FILE_WRITE, format!("{shown} cannot be written to")).with_help(
                "name a directory that you may write to; a stick may be mounted read-only, `mount` tells",
            )
        }
        _ => Error::new(codes::TARGET_IO, format!("cannot create {shown}"))
            .with_help("check that the medium is still there, then run the same command again"),
    }
    .with_source(error)
}

/// Stops unless `needed` bytes fit; `what` is named in the error.
pub fn require_space(probe: &dyn Probe, directory: &Path, needed: u64, what: &str) -> Result<()> {
    let available = look(probe, directory)?.available;
    if available >= needed {
        return Ok(());
    }
    let message = format!(
        "{what} needs {needed} bytes, {} has {available} left ({} too few)",
        directory.display(),
        needed - available
    );
    Err(Error::new(codes::NO_SPACE, message).with_help("free that much, or choose another directory"))
}

/// The file system that holds `directory`.
pub fn look(probe: &dyn Probe, directory: &Path) -> Result<FileSystem> {
    probe.probe(directory).map_err(|error| {
        Error::new(codes::TARGET_IO, format!("the file system of {} cannot be examined", directory.display()))
            .with_source(error)
            .with_help("check that the directory exists and the medium is still there")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stick(FileSystem);

    impl Probe for Stick {
        fn probe(&self, _directory: &Path) -> std::io::Result<FileSystem> {
            Ok(self.0)
        }
    }

    const FAT: FileSystem = FileSystem { magic: 0x4d44, available: 1000 };
    const EXT4: FileSystem = FileSystem { magic: 0xef53, available: 1000 };

    #[test]
    fn volumes_on_fat_stay_below_4_gib() {
        assert_eq!(VolumeSize::Automatic.limit(FAT).unwrap(), Some(4_294_966_784));
        assert_eq!(VolumeSize::Limit(1 << 20).limit(FAT).unwrap(), Some(1 << 20));
        assert_eq!(VolumeSize::Limit(FAT32_FILE_LIMIT).limit(FAT).unwrap(), Some(4_294_966_784));
        for size in [VolumeSize::Unlimited, VolumeSize::Limit(FAT32_FILE_LIMIT + 1)] {
            assert_eq!(size.limit(FAT).unwrap_err().code(), codes::TARGET_LIMIT);
        }
    }

    #[test]
    fn other_file_systems_get_one_volume_unless_told() {
        assert_eq!(VolumeSize::Automatic.limit(EXT4).unwrap(), None);
        assert_eq!(VolumeSize::Unlimited.limit(EXT4).unwrap(), None);
        assert_eq!(VolumeSize::Limit(1_000_001).limit(EXT4).unwrap(), Some(1_000_001 - 1_000_001 % 512));
        assert_eq!(VolumeSize::Limit(1).limit(EXT4).unwrap_err().kind().exit_status(), 2);
    }

    #[test]
    fn missing_space_is_told_in_exact_bytes() {
        let probe = Stick(EXT4);
        require_space(&probe, Path::new("/stick"), 1000, "the bundle").unwrap();
        let error = require_space(&probe, Path::new("/stick"), 1001, "the bundle").unwrap_err();
        assert_eq!(error.message(), "the bundle needs 1001 bytes, /stick has 1000 left (1 too few)");
        assert_eq!(error.kind().exit_status(), 7);
    }

    #[test]
    fn a_target_is_a_directory_that_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        prepare(&directory.path().join("new/one")).unwrap();
        let file = directory.path().join("file");
        fs_err::write(&file, "x").unwrap();
        for path in [file.clone(), file.join("below")] {
            assert_eq!(prepare(&path).unwrap_err().code(), codes::TARGET_EXISTS);
        }
        let error = prepare(Path::new("/proc/self")).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::FILE_WRITE, 7), "{error:?}");
    }

    #[test]
    fn the_kernel_answers_for_a_real_directory() {
        let directory = tempfile::tempdir().unwrap();
        assert!(look(&Kernel, directory.path()).unwrap().available > 0);
        assert_eq!(look(&Kernel, &directory.path().join("gone")).unwrap_err().code(), codes::TARGET_IO);
    }
}
