//! The texts of `Packages`, `Packages.xz` and `Release`.

use std::fmt::Write as _;
use std::io::Write as _;

use super::Description;
use crate::debian::package::Package;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;

/// The preset of xz: small for what gains little above it.
const XZ_PRESET: u32 = 6;

/// Appends the stanza of `package` as it stands upstream, but for where its `.deb` is.
pub(super) fn add_stanza(stanzas: &mut Vec<u8>, package: &Package<'_>, path: &str) -> Result<()> {
    if !stanzas.is_empty() {
        stanzas.push(b'\n');
    }
    for field in package.stanza.fields() {
        let field = field?;
        if field.name.eq_ignore_ascii_case(b"Filename") {
            stanzas.extend_from_slice(format!("Filename: {path}\n").as_bytes());
            continue;
        }
        stanzas.extend_from_slice(field.text);
        if !field.text.ends_with(b"\n") {
            stanzas.push(b'\n');
        }
    }
    Ok(())
}

/// One stream, one thread: with more, the bytes would depend on their number.
pub(super) fn compress(text: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), XZ_PRESET);
    encoder.write_all(text).and_then(|()| encoder.finish()).map_err(|cause| {
        Error::new(codes::DEBIAN_SIGN, "the list of packages of the bundle cannot be compressed")
            .with_source(cause)
    })
}

/// The text of `Release` for these files.
pub(super) fn release(
    architectures: &[String],
    description: &Description<'_>,
    files: &[(&str, &[u8])],
) -> String {
    let Description { origin, label, suite, codename, date } = description;
    let mut text = String::new();
    let fields = [("Origin", *origin), ("Label", *label), ("Suite", *suite), ("Codename", *codename)];
    // Writing to a String cannot fail.
    for (name, value) in fields {
        let _ = writeln!(text, "{name}: {}", one_line(value));
    }
    let _ = writeln!(text, "Date: {}", date.strftime("%a, %d %b %Y %H:%M:%S UTC"));
    let _ = writeln!(text, "Architectures: {}", architectures.join(" "));
    let _ = writeln!(text, "SHA256:");
    for (path, bytes) in files {
        let _ = writeln!(text, " {} {:>9} {path}", Digest::of(bytes).hex(), bytes.len());
    }
    text
}

/// A value that cannot become another field, whatever it was.
fn one_line(value: &str) -> String {
    let plain: String =
        value.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    plain.trim().to_owned()
}
