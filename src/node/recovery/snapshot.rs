//! A snapshot that comes from elsewhere: received on standard input, checked, kept for a restore.

use std::io::{self, Read};

use crate::error::{Error, Result, codes};
use crate::node::machine::Machine;
use crate::node::work::Work;
use crate::oci::digest::{Digest, Hasher};
use crate::quote::quote;

/// Where they are kept, beside those that k3s makes itself.
pub const DIRECTORY: &str = "/var/lib/airlock/snapshots";

/// Largest snapshot that is taken; etcd itself refuses to grow beyond 8 GiB.
const MAX_SIZE: u64 = 8 << 30;

/// Keeps a snapshot under its name, if it is as long as `size` says and has this digest.
///
/// # Errors
/// [`codes::SNAPSHOT_UNKNOWN`] for a name that is none, [`codes::DATASTORE_RESET`] if something else arrives;
/// [`codes::NODE_FILE`].
pub fn keep(
    work: &mut Work<'_>,
    name: &str,
    size: u64,
    digest: &Digest,
    input: &mut dyn Read,
) -> Result<String> {
    check_name(name)?;
    let path = format!("{DIRECTORY}/{name}");
    if is_there(work.machine(), &path, digest)? {
        return Ok(path);
    }
    if size > MAX_SIZE {
        return Err(wrong(name, "it is larger than 8 GiB"));
    }
    work.make_directory(DIRECTORY, 0o700)?;
    let mut checked =
        Checked { input, left: size, hasher: Some(Hasher::new()), wanted: *digest, is_wrong: false };
    let copied = work.copy_file(&path, &mut checked, 0o600);
    match checked.is_wrong {
        true => Err(wrong(name, "its length or its digest is another one")),
        false => copied.map(|()| path),
    }
}

fn is_there(machine: &Machine, path: &str, digest: &Digest) -> Result<bool> {
    Ok(machine.metadata(path)?.is_some() && machine.digest(path)? == *digest)
}

/// A name goes into a path and a command line.
fn check_name(name: &str) -> Result<()> {
    let fits = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let is_plain = (1..=200).contains(&name.len()) && name.chars().all(fits) && !name.starts_with(['-', '.']);
    match is_plain {
        true => Ok(()),
        false => Err(Error::new(
            codes::SNAPSHOT_UNKNOWN,
            format!("`{}` cannot be the name of a snapshot", quote(name)),
        )
        .with_help("rename the file: letters, digits, `-`, `_` and `.`, with a letter or digit first")),
    }
}

fn wrong(name: &str, why: &str) -> Error {
    Error::new(
        codes::DATASTORE_RESET,
        format!("the snapshot `{}` did not arrive as it was sent: {why}", quote(name)),
    )
    .with_help("run the same command again; it is sent anew")
}

/// Reads so many bytes, and fails at their end if they are not what they should be.
struct Checked<'a> {
    input: &'a mut dyn Read,
    left: u64,
    hasher: Option<Hasher>,
    wanted: Digest,
    is_wrong: bool,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.input.read(&mut buffer[..wanted])?;
        self.hasher.iter_mut().for_each(|hasher| hasher.update(&buffer[..read]));
        self.left -= read as u64;
        self.is_wrong = match (read, wanted) {
            (0, 0) => self.hasher.take().is_some_and(|hasher| hasher.finish() != self.wanted),
            (0, _) => true,
            _ => false,
        };
        if self.is_wrong { Err(io::ErrorKind::InvalidData.into()) } else { Ok(read) }
    }
}
