//! The airlock programs that travel with a bundle: one for each of its platforms.

use std::io::Read;
use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::build::resolve::InstallerFile;
use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;

/// Version of the programs; all of a bundle have the same, this one's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Largest program header table that is looked at, in bytes.
const HEAD: u64 = 16 << 10;

/// What the beginning of a program tells (System V ABI, "ELF Header" and "Program Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// What it runs on.
    pub platform: Platform,
    /// It needs no dynamic linker, and so nothing of the machine it runs on.
    pub is_static: bool,
}

/// Reads the head of an ELF file; `None` if it is no program for a platform of ours.
pub fn identify(head: &[u8]) -> Option<Program> {
    const INTERPRETER: u32 = 3;
    let half = |at: usize| Some(u16::from_le_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let is_elf64_little_endian = head.starts_with(b"\x7fELF\x02\x01");
    if !is_elf64_little_endian || !matches!(half(16)?, 2 | 3) {
        return None;
    }
    let platform = match half(18)? {
        0x3e => Platform::LinuxAmd64,
        0xb7 => Platform::LinuxArm64,
        _ => return None,
    };
    let table = usize::try_from(u64::from_le_bytes(head.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
    let kind = |index: usize| {
        let at = table.checked_add(index.checked_mul(size)?)?;
        Some(u32::from_le_bytes(head.get(at..at.checked_add(4)?)?.try_into().ok()?))
    };
    let is_static = (0..count).all(|index| kind(index).is_some_and(|kind| kind != INTERPRETER));
    Some(Program { platform, is_static })
}

/// The programs for a bundle: those that were `given`, and the running one (`own`) where it fits. Returns
/// them with the ones that are not static.
///
/// # Errors
/// `E0623` when a platform has none, or a given file is no program for its platform.
pub fn choose(
    given: &[(Option<Platform>, PathBuf)],
    own: Option<&Path>,
    platforms: &[Platform],
) -> Result<(Vec<InstallerFile>, Vec<PathBuf>)> {
    let mut candidates = Vec::new();
    for (platform, path) in given {
        let program = look(path)?;
        if platform.is_some_and(|platform| platform != program.platform) {
            return Err(unusable(path, &format!("it is a program for {}", program.platform)));
        }
        candidates.push((program, path.clone()));
    }
    if let Some(own) = own {
        candidates.push((look(own)?, own.to_owned()));
    }
    let mut chosen = Vec::new();
    let mut dynamic = Vec::new();
    for platform in platforms {
        let found = candidates.iter().find(|(program, _)| program.platform == *platform);
        let (program, path) = found.ok_or_else(|| missing(*platform))?;
        if !program.is_static {
            dynamic.push(path.clone());
        }
        chosen.push(InstallerFile { platform: *platform, path: path.clone(), version: VERSION.to_owned() });
    }
    Ok((chosen, dynamic))
}

fn look(path: &Path) -> Result<Program> {
    let mut head = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(HEAD).read_to_end(&mut head))
        .map_err(|error| unusable(path, "it cannot be read").with_source(error))?;
    identify(&head).ok_or_else(|| unusable(path, "it is no program for linux/amd64 or linux/arm64"))
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::new(codes::INSTALLER, format!("{} cannot travel as installer: {why}", path.display()))
        .with_help("give the airlock program of a platform: `--installer linux/arm64=FILE`")
}

fn missing(platform: Platform) -> Error {
    Error::new(codes::INSTALLER, format!("the bundle needs an airlock program for {platform}"))
        .with_detail("the nodes of that platform could not be installed without it")
        .with_help(format!("give one of version {VERSION}: `--installer {platform}=FILE`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of an ELF program with one program header of the given kind.
    fn elf(machine: u16, kind: u32) -> Vec<u8> {
        let mut head = vec![0; 128];
        head[..6].copy_from_slice(b"\x7fELF\x02\x01");
        head[16] = 3;
        head[18..20].copy_from_slice(&machine.to_le_bytes());
        head[32] = 64;
        head[54] = 56;
        head[56] = 1;
        head[64..68].copy_from_slice(&kind.to_le_bytes());
        head
    }

    fn file(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn programs_tell_their_platform_and_linking() {
        let program = |platform, is_static| Some(Program { platform, is_static });
        assert_eq!(identify(&elf(0x3e, 1)), program(Platform::LinuxAmd64, true));
        assert_eq!(identify(&elf(0xb7, 3)), program(Platform::LinuxArm64, false));
        assert_eq!(identify(&elf(0xf3, 1)), None);
        assert_eq!(identify(b"#!/bin/sh\n"), None);
        for length in 0..128 {
            let _ = identify(&elf(0x3e, 1)[..length]);
        }
    }

    #[test]
    fn every_platform_needs_a_program() {
        let directory = tempfile::tempdir().unwrap();
        let own = file(directory.path(), "own", &elf(0x3e, 3));
        let arm = file(directory.path(), "arm", &elf(0xb7, 1));
        let script = file(directory.path(), "script", b"#!/bin/sh\n");
        let (amd64, arm64) = (Platform::LinuxAmd64, Platform::LinuxArm64);
        let (chosen, dynamic) = choose(&[(None, arm.clone())], Some(&own), &[amd64, arm64]).unwrap();
        assert_eq!(chosen.iter().map(|file| &file.path).collect::<Vec<_>>(), [&own, &arm]);
        assert_eq!(dynamic, std::slice::from_ref(&own));
        for (given, platforms) in [
            (vec![], vec![arm64]),
            (vec![(None, script)], vec![amd64]),
            (vec![(Some(amd64), arm.clone())], vec![amd64]),
            (vec![(None, directory.path().join("gone"))], vec![amd64]),
        ] {
            let error = choose(&given, Some(&own), &platforms).unwrap_err();
            assert_eq!((error.code(), error.kind().exit_status()), (codes::INSTALLER, 7));
        }
    }
}
