//! `Packages`, `Packages.xz`, `Release`, `Release.gpg` and `InRelease`.

use std::fmt::Write as _;
use std::io::Write as _;

use super::Description;
use crate::debian::openpgp::SigningKey;
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

/// The metadata files in the order in which they may be published.
pub(super) fn files(
    stanzas: Vec<u8>,
    architectures: &[&str],
    description: &Description<'_>,
    key: &SigningKey,
) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let packed = compress(&stanzas).map_err(|cause| {
        Error::new(codes::DEBIAN_SIGN, "the list of packages of the bundle cannot be compressed")
            .with_source(cause)
    })?;
    let release = release(architectures, description, &[("Packages", &stanzas), ("Packages.xz", &packed)]);
    let detached = key.sign_detached(&release)?;
    let inline = key.sign_inline(&release)?;
    Ok(vec![
        ("Packages", stanzas),
        ("Packages.xz", packed),
        ("Release", release.into_bytes()),
        ("Release.gpg", detached.into_bytes()),
        ("InRelease", inline.into_bytes()),
    ])
}

/// One stream, one thread: with more, the bytes would depend on their number.
fn compress(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), XZ_PRESET);
    encoder.write_all(text)?;
    encoder.finish()
}

fn release(architectures: &[&str], description: &Description<'_>, files: &[(&str, &[u8])]) -> String {
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
