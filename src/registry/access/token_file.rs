//! The token file: one token a line, readable by its owner alone. Two lines allow to change tokens without
//! locking anybody out.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::fs::{FlockOperation, flock};

use crate::disk;
use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::secret::Secret;

/// A token that can be guessed is none.
const SHORTEST: usize = 16;
const LONGEST: usize = 256;
const LONGEST_FILE: u64 = 64 * 1024;

/// Reads the tokens in the file `path`; makes the file with one random token if there is none.
///
/// # Errors
/// [`codes::REGISTRY_TOKEN`] if others can read the file, or a line is no token.
pub fn read_or_make(path: &Path) -> Result<Vec<Secret<String>>> {
    let made = make(path).map_err(|error| failed(path, "cannot be made", error))?;
    if let Some(token) = made {
        return Ok(vec![token]);
    }
    let (text, mode) = read(path).map_err(|error| failed(path, "cannot be read", error))?;
    if mode & 0o077 != 0 {
        let message =
            format!("the token file `{}` can be read by others (mode {:04o})", shown(path), mode & 0o7777);
        return Err(
            Error::new(codes::REGISTRY_TOKEN, message).with_help(format!("`chmod 600 {}`", shown(path)))
        );
    }
    parse(&text).map_err(|what| unusable(path, &what))
}

/// The tokens in the text of a token file. Empty lines and lines that begin with `#` do not count.
fn parse(text: &str) -> Result<Vec<Secret<String>>, String> {
    let lines = text.lines().map(str::trim).enumerate();
    let tokens = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let tokens = tokens.map(|(number, line)| {
        let good =
            (SHORTEST..=LONGEST).contains(&line.len()) && line.bytes().all(|byte| byte.is_ascii_graphic());
        let complaint = || {
            format!(
                "has in line {} something else than {SHORTEST} to {LONGEST} printable characters",
                number + 1
            )
        };
        good.then(|| Secret::new(line.to_owned())).ok_or_else(complaint)
    });
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    if tokens.is_empty() { Err("holds no token".to_owned()) } else { Ok(tokens) }
}

/// Makes the file with a random token, unless it is there already. It is there as a whole or not at all: one that a
/// kill has left empty would keep everybody out.
fn make(path: &Path) -> std::io::Result<Option<Secret<String>>> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let above = fs_err::File::open(above)?;
    // Whoever else makes it waits; the end of a process ends its turn.
    flock(above.file(), FlockOperation::LockExclusive)?;
    if path.exists() {
        return Ok(None);
    }
    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| std::io::Error::other("the system gives no random bytes"))?;
    let token = Secret::new(URL_SAFE_NO_PAD.encode(random));
    let partial = path.with_added_extension("partial");
    // One that a killed process has left may have other permissions, or be a link.
    let _ = fs_err::remove_file(&partial);
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    writeln!(file, "{}", token.reveal())?;
    file.sync_all()?;
    fs_err::rename(&partial, path)?;
    above.sync_all()?;
    Ok(Some(token))
}

fn read(path: &Path) -> std::io::Result<(String, u32)> {
    // The mode is that of what is read, not of what the name meant a moment ago.
    let file = fs_err::File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text)?;
    Ok((text, mode))
}

fn failed(path: &Path, what: &str, error: std::io::Error) -> Error {
    disk::blamed(&format!("the token file `{}` {what}", shown(path)), path, error)
        .unwrap_or_else(|error| unusable(path, what).with_source(error))
}

fn unusable(path: &Path, what: &str) -> Error {
    let path = shown(path);
    Error::new(codes::REGISTRY_TOKEN, format!("the token file `{path}` {what}")).with_help(format!(
        "write one token a line: `(umask 077; head -c 24 /dev/urandom | base64 > {path})`"
    ))
}

fn shown(path: &Path) -> String {
    quote(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_first_start_makes_a_token_and_the_next_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let made = read_or_make(&path).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(made[0].reveal().len() >= 40);
        assert_eq!(read_or_make(&path).unwrap(), made);
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_or_make(&path).unwrap_err();
        assert_eq!(error.code(), codes::REGISTRY_TOKEN);
        assert!(!error.to_string().contains(made[0].reveal().as_str()));
    }

    #[test]
    fn a_kill_while_the_token_is_made_leaves_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs_err::write(path.with_added_extension("partial"), "01234").unwrap();
        let made = read_or_make(&path).unwrap();
        assert_eq!(read_or_make(&path).unwrap(), made);
        assert_eq!(fs_err::read_dir(directory.path()).unwrap().count(), 1, "nothing half is left");
    }

    #[test]
    fn lines_are_tokens() {
        let tokens = parse("# of the lab\n\n  0123456789abcdef \nfedcba9876543210").unwrap();
        let tokens: Vec<&str> = tokens.iter().map(|token| token.reveal().as_str()).collect();
        assert_eq!(tokens, ["0123456789abcdef", "fedcba9876543210"]);
        for text in ["", "# nothing\n", "short", "with a space in it", "0123456789abcdéf"] {
            let complaint = parse(text).unwrap_err();
            assert!(text.is_empty() || !complaint.contains(text), "{complaint}");
        }
    }
}
