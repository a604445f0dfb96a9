//! The programs that can be brought to hosts, one for each platform.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::build::installer::identify;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::quote::quote;
use crate::store::cache::hash_file;

/// A program that can be brought to a host.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it runs on.
    pub platform: Platform,
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// Programs, at most one of them counts for each platform.
#[derive(Clone, Debug, Default)]
pub struct Programs(Vec<Program>);

impl Programs {
    /// The programs at these paths; for a platform that has several the first counts.
    ///
    /// # Errors
    /// [`codes::HOST_PROGRAM`] if one cannot be read, or is no program for a platform of ours.
    pub fn read(paths: &[PathBuf]) -> Result<Programs> {
        paths.iter().map(|path| read(path)).collect::<Result<_>>().map(Programs)
    }

    /// The programs.
    pub fn iter(&self) -> impl Iterator<Item = &Program> {
        self.0.iter()
    }

    /// The one for what `uname -m` calls `machine`, on the host `name`.
    ///
    /// # Errors
    /// [`codes::HOST_PROGRAM`].
    pub fn of(&self, machine: &str, name: &str) -> Result<&Program> {
        let platform = match machine {
            "x86_64" => Platform::LinuxAmd64,
            "aarch64" => Platform::LinuxArm64,
            _ => {
                let message = format!(
                    "{name} is a machine of the kind `{}`, for which there is no airlock",
                    quote(machine)
                );
                return Err(Error::new(codes::HOST_PROGRAM, message).with_help(
                    "hosts have 64-bit x86 or Arm processors; take this one out of the inventory",
                ));
            }
        };
        self.0.iter().find(|program| program.platform == platform).ok_or_else(|| {
            let architecture = platform.architecture();
            Error::new(
                codes::HOST_PROGRAM,
                format!("{name} needs the program for {architecture}, and it is not here"),
            )
            .with_help(format!(
                "name it by `--program FILE`: it lies beside the bundle as `install-{architecture}`"
            ))
        })
    }
}

fn read(path: &Path) -> Result<Program> {
    let shown = quote(&path.to_string_lossy());
    let unreadable = |error: std::io::Error| {
        Error::new(codes::HOST_PROGRAM, format!("the program `{shown}` cannot be read"))
            .with_help("name the file of an airlock program by `--program FILE`")
            .with_source(error)
    };
    let mut head = Vec::new();
    let file = fs_err::File::open(path).map_err(unreadable)?;
    file.take(16 << 10).read_to_end(&mut head).map_err(unreadable)?;
    let platform = identify(&head).map(|program| program.platform).ok_or_else(|| {
        Error::new(codes::HOST_PROGRAM, format!("`{shown}` is no program for amd64 or arm64"))
            .with_help("name the file of an airlock program, such as `install-arm64` beside the bundle")
    })?;
    let (digest, size) = hash_file(path).map_err(unreadable)?;
    Ok(Program { platform, path: path.to_owned(), digest, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_the_program_of_its_machine() {
        let own = std::env::current_exe().unwrap();
        let programs = Programs::read(std::slice::from_ref(&own)).unwrap();
        let (machine, other) = match Platform::current().unwrap() {
            Platform::LinuxAmd64 => ("x86_64", "aarch64"),
            Platform::LinuxArm64 => ("aarch64", "x86_64"),
        };
        assert_eq!(programs.of(machine, "node1").unwrap().path, own);
        assert_eq!(programs.of(other, "node1").unwrap_err().code(), codes::HOST_PROGRAM);
        assert!(programs.of("riscv64\n", "node1").unwrap_err().message().contains("riscv64\\n"));
        assert_eq!(Programs::read(&["/dev/null".into()]).unwrap_err().code(), codes::HOST_PROGRAM);
    }
}
