//! From manifest bytes to a [`Manifest`] that keeps every rule of the format, and back, once, in the builder.

use serde::Deserialize;

use super::{FORMAT, MAX_LENGTH, Manifest};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// Features a manifest may require of its reader. None exist yet.
const FEATURES: &[&str] = &[];

/// The only part that every version of the format has; it decides whether the rest may be read.
#[derive(Deserialize)]
struct Envelope {
    format: String,
    #[serde(default)]
    requires: Vec<String>,
}

impl Manifest {
    /// Reads a manifest: JSON of at most [`MAX_LENGTH`] bytes without unknown or repeated keys, in which
    /// every rule of `bundle-spec/v1.md` ("Manifest") holds. Call it on verified bytes only.
    pub fn parse(bytes: &[u8]) -> Result<Manifest> {
        check_length(bytes.len() as u64)?;
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(malformed)?;
        check_version(&envelope)?;
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The bytes to be signed: indented JSON with a final newline. Equal manifests give equal bytes. Only
    /// the builder calls this, once; afterwards the bytes are carried and compared as they are.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain structures with string keys always serialise.
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest serialises");
        bytes.push(b'\n');
        bytes
    }
}

/// Refuses a manifest of `length` bytes if that is more than the format allows.
pub(in crate::bundle) fn check_length(length: u64) -> Result<()> {
    if length <= MAX_LENGTH {
        return Ok(());
    }
    let message = format!("manifest.json says it has {length} bytes, the format allows {MAX_LENGTH}");
    Err(Error::new(codes::MANIFEST_TOO_LARGE, message)
        .with_help("divide what it carries into several bundles, or get the bundle again if it is damaged"))
}

fn check_version(envelope: &Envelope) -> Result<()> {
    if envelope.format != FORMAT {
        return Err(unknown_format(&envelope.format));
    }
    let unknown = envelope.requires.iter().filter(|feature| !FEATURES.contains(&feature.as_str()));
    let unknown: Vec<_> = unknown.map(|feature| format!("`{}`", quote(feature))).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let message = format!("the bundle needs a newer airlock: it requires {}", unknown.join(", "));
    Err(Error::new(codes::BUNDLE_NEWER, message).with_help(UPDATE))
}

pub(in crate::bundle) const UPDATE: &str =
    "use the program `install` that lies beside the bundle, after checking its signature, or a newer airlock";

fn unknown_format(format: &str) -> Error {
    let shown = quote(format);
    if format.starts_with("airlock.manifest.v") {
        let message =
            format!("the bundle needs a newer airlock: its format is `{shown}`, known is `{FORMAT}`");
        return Error::new(codes::BUNDLE_NEWER, message).with_help(UPDATE);
    }
    Error::new(codes::MANIFEST_VALUE, format!("manifest.json is of format `{shown}`, not `{FORMAT}`"))
        .with_help(super::validate::REBUILD)
}

fn malformed(error: serde_json::Error) -> Error {
    Error::new(codes::MANIFEST_SYNTAX, "manifest.json cannot be read")
        .with_source(quote(&error.to_string()))
        .with_help(super::validate::REBUILD)
}

#[cfg(test)]
mod tests;
