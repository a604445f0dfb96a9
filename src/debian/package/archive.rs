//! Where the `.deb` of a package is and what proves that it is the right one.

use crate::oci::digest::Digest;

/// A `.deb` in a repository. Has at least one of the two digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archive<'a> {
    /// Its path relative to the repository's URI, not percent-encoded. Never absolute, never with `..`.
    pub filename: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Option<Digest>,
    /// Its SHA-512 as 128 lower-case hexadecimal digits; some repositories have no other.
    pub sha512: Option<&'a str>,
}

impl<'a> Archive<'a> {
    /// An archive from the fields of a stanza; the error is the reason why it cannot be used.
    pub(super) fn parse(
        filename: &'a str,
        size: &str,
        sha256: &'a str,
        sha512: &'a str,
    ) -> Result<Self, &'static str> {
        if !is_inside(filename) {
            return Err("has a Filename that is missing or leaves the repository");
        }
        let size = size.parse().map_err(|_| "has no usable Size")?;
        let digest = (!sha256.is_empty()).then(|| Digest::from_hex(sha256)).transpose();
        let sha256 = digest.map_err(|_| "has a malformed SHA256")?;
        let sha512 = (!sha512.is_empty()).then_some(sha512);
        if !sha512
            .is_none_or(|hex| hex.len() == 128 && hex.bytes().all(|byte| b"0123456789abcdef".contains(&byte)))
        {
            return Err("has a malformed SHA512");
        }
        if sha256.is_none() && sha512.is_none() {
            return Err("has neither SHA256 nor SHA512");
        }
        Ok(Archive { filename, size, sha256, sha512 })
    }
}

/// Whether a path or relative URI stays below where it is resolved.
fn is_inside(path: &str) -> bool {
    let scheme = path.split('/').next().is_some_and(|first| first.contains(':'));
    !path.is_empty()
        && !path.starts_with('/')
        && !scheme
        && path.split('/').all(|part| part != "..")
        && !path.chars().any(|character| character.is_control() || character == '\\')
}
