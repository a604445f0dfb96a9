//! What the apt of this machine is configured with (sources.list(5)), where there is one.

use std::path::{Path, PathBuf};

use crate::cli::files;
use crate::error::{Error, Result, codes};
use crate::source::apt::Machine;

/// Where apt has its lists of sources.
const DIRECTORY: &str = "/etc/apt";

/// Where distributions and administrators put keyrings.
const KEYRINGS: [&str; 2] = ["/usr/share/keyrings", "/etc/apt/trusted.gpg.d"];

/// Largest list of sources, in bytes.
const SIZE_LIMIT: u64 = 4 << 20;

/// Reads them all. A machine without apt has none.
pub(super) fn read() -> Result<Machine> {
    Ok(Machine {
        sources: sources(Path::new(DIRECTORY))?,
        keyring_directories: KEYRINGS.iter().map(PathBuf::from).collect(),
    })
}

/// `sources.list`, then the files of `sources.list.d` by name, as apt does it. It reads only some of them:
/// others may be copies that editors and upgrades left behind.
fn sources(directory: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut paths = vec![directory.join("sources.list")];
    let mut parts: Vec<PathBuf> = match fs_err::read_dir(directory.join("sources.list.d")) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(|path| is_read(path)).collect(),
        Err(_) => Vec::new(),
    };
    parts.sort();
    paths.extend(parts);
    let present = paths.into_iter().filter(|path| path.is_file());
    let read = |path: PathBuf| {
        let text =
            files::read_text(&path, "list of apt sources", SIZE_LIMIT).map_err(|error: Error| match error
                .code()
            {
                codes::FILE_READ => {
                    error.with_help("make it readable, or name the archive at the target in bundle.yaml")
                }
                _ => error,
            })?;
        Ok((path, text))
    };
    present.map(read).collect()
}

fn is_read(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    matches!(ending, Some("list" | "sources")) && !name.starts_with('.') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_the_order_of_apt_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let parts = directory.path().join("sources.list.d");
        fs_err::create_dir(&parts).unwrap();
        for name in ["b.list", "a.sources", "c.list.save", ".d.list", "e f.list"] {
            fs_err::write(parts.join(name), name).unwrap();
        }
        fs_err::write(directory.path().join("sources.list"), "first").unwrap();
        let texts: Vec<String> =
            sources(directory.path()).unwrap().into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["first", "a.sources", "b.list"]);
        assert!(sources(&directory.path().join("none")).unwrap().is_empty());
    }
}
