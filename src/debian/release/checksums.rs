//! The tables of digests in a `Release` file: lines of digest, size and path.

use std::collections::HashMap;
use std::fmt;

use super::malformed;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

/// More files than this are refused; Debian's unstable lists 3,000.
const MOST_FILES: usize = 200_000;

/// A SHA-512 digest. It never names a blob; some repositories just have no other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sha512(pub [u8; 64]);

/// What is known about a file. At least one of the digests is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Option<Digest>,
    /// Its SHA-512.
    pub sha512: Option<Sha512>,
}

impl Sha512 {
    fn from_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        if hex.len() != 128 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digit = |character: u8| char::from(character).to_digit(16);
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Sha512(bytes))
    }

    /// The 128 hexadecimal digits, in lower case.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Sha512 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hex())
    }
}

/// Joins the tables by path. The weak ones only serve to say what is wrong where they stand alone.
pub(super) fn parse<'a>(
    sha256: &'a str,
    sha512: &'a str,
    md5: &str,
    sha1: &str,
) -> Result<HashMap<&'a str, Checksum>> {
    let mut files = HashMap::new();
    for line in lines(sha256) {
        let (hex, size, path) = columns(line)?;
        let digest = Digest::from_hex(hex).map_err(|_| broken(line))?;
        add(&mut files, path, Checksum { size, sha256: Some(digest), sha512: None })?;
    }
    for line in lines(sha512) {
        let (hex, size, path) = columns(line)?;
        let digest = Sha512::from_hex(hex).ok_or_else(|| broken(line))?;
        add(&mut files, path, Checksum { size, sha256: None, sha512: Some(digest) })?;
    }
    if files.is_empty() && !(md5.is_empty() && sha1.is_empty()) {
        let message = "the Release file has MD5 or SHA-1 digests only";
        return Err(Error::new(codes::DEBIAN_RELEASE_WEAK, message)
            .with_help("both can be forged; ask the owners of the repository to add SHA-256"));
    }
    Ok(files)
}

fn lines(table: &str) -> impl Iterator<Item = &str> {
    table.lines().map(str::trim_ascii).filter(|line| !line.is_empty())
}

fn columns(line: &str) -> Result<(&str, u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next().and_then(|size| size.parse().ok()), words.next(), words.next()) {
        (Some(hex), Some(size), Some(path), None) => Ok((hex, size, path)),
        _ => Err(broken(line)),
    }
}

/// Adds what one line says about a file. Lines about the same file must not contradict each other.
fn add<'a>(files: &mut HashMap<&'a str, Checksum>, path: &'a str, new: Checksum) -> Result<()> {
    let known = files.entry(path).or_insert(new);
    let same = |one: Option<&[u8]>, other: Option<&[u8]>| one.is_none() || other.is_none() || one == other;
    let sha256 = same(
        known.sha256.as_ref().map(|digest| &digest.bytes()[..]),
        new.sha256.as_ref().map(|digest| &digest.bytes()[..]),
    );
    let sha512 = same(
        known.sha512.as_ref().map(|digest| &digest.0[..]),
        new.sha512.as_ref().map(|digest| &digest.0[..]),
    );
    if known.size != new.size || !sha256 || !sha512 {
        return Err(malformed(&format!("contradicts itself about `{}`", quote(path))));
    }
    known.sha256 = known.sha256.or(new.sha256);
    known.sha512 = known.sha512.or(new.sha512);
    if files.len() > MOST_FILES { Err(malformed("lists more than 200,000 files")) } else { Ok(()) }
}

fn broken(line: &str) -> Error {
    malformed(&format!("has the line `{}`, which is no digest, size and path", quote(line)))
}
