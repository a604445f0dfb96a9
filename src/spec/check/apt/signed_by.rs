//! The keys of a repository: a keyring file, an armored key, or either place with fingerprints.

use std::path::PathBuf;

use crate::debian::openpgp::{Fingerprint, Keyring};
use crate::error::Result;
use crate::quote::quote;
use crate::spec::apt::SignedBy;
use crate::spec::raw::Text;
use crate::spec::raw::apt as raw;
use crate::spec::raw::either::{OneOrMore, TextOr};
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::registry::path;
use super::super::text::{located, no_private_key, parsed};
use super::super::{lacking, refused, url};

const WHOLE_BLOCK: &str = "write `signedBy: |` and below it, indented, the whole block that `gpg --armor --export KEY` \
                           prints, with an empty line after the first";

/// Which keys count.
pub(super) fn signed_by(source: &Source<'_>, value: &Located<TextOr<raw::SignedBy>>) -> Result<SignedBy> {
    match &value.value {
        TextOr::Map(map) => from_map(source, value, map),
        TextOr::Text(text) => from_text(source, &Text { value: text.clone(), span: value.span.clone() }),
    }
}

fn from_text(source: &Source<'_>, value: &Text) -> Result<SignedBy> {
    no_private_key(source, value)?;
    if value.value.trim_start().starts_with("-----BEGIN ") {
        let keyring = Keyring::parse(value.value.as_bytes(), "the key in `signedBy`")
            .map_err(|error| error.with_help(WHOLE_BLOCK));
        located(source, value, keyring)?;
        return Ok(SignedBy::Armored(value.value.clone()));
    }
    let path = path(source, value)?;
    if path.contains("://") {
        let help = "write `signedBy: {url: …, fingerprint: …}` with the fingerprint that the owners publish";
        return Err(refused(source, &value.span, "a URL alone does not say which key counts", help));
    }
    if path.parse::<Fingerprint>().is_ok() {
        let help = format!(
            "write `signedBy: {{path: …, fingerprint: {}}}`, or `url:` instead of `path:`",
            quote(&path)
        );
        return Err(refused(source, &value.span, "a fingerprint alone does not say where the key is", help));
    }
    Ok(SignedBy::File { path: PathBuf::from(path), fingerprints: Vec::new() })
}

fn from_map(
    source: &Source<'_>,
    value: &Located<TextOr<raw::SignedBy>>,
    map: &raw::SignedBy,
) -> Result<SignedBy> {
    let fingerprints = match map.fingerprint.as_ref() {
        Some(value) => fingerprints(source, value)?,
        None => Vec::new(),
    };
    match (map.url.as_ref(), map.path.as_ref()) {
        (Some(address), None) if fingerprints.is_empty() => {
            let help = "add `fingerprint:` with the 40 digits that the owners of the repository publish";
            Err(lacking(source, &address.span, "nothing vouches for the key at this URL", help))
        }
        (Some(address), None) => Ok(SignedBy::Url { url: url::url(source, address)?, fingerprints }),
        (None, Some(file)) => Ok(SignedBy::File { path: PathBuf::from(path(source, file)?), fingerprints }),
        (None, None) => {
            let help = "add `url: https://…` to download the key, or `path: FILE` to take it from here";
            Err(lacking(source, &value.span, "`signedBy` has neither `url` nor `path`", help))
        }
        (Some(one), Some(other)) => {
            let later = if one.span.start > other.span.start { one } else { other };
            Err(refused(source, &later.span, "`signedBy` has both `url` and `path`", "delete one of the two"))
        }
    }
}

fn fingerprints(source: &Source<'_>, value: &Located<OneOrMore>) -> Result<Vec<Fingerprint>> {
    match &value.value {
        OneOrMore::One(text) => {
            parsed(source, &Text { value: text.clone(), span: value.span.clone() }).map(|only| vec![only])
        }
        OneOrMore::More(list) if list.is_empty() => {
            let help = "write the 40 digits of each key that counts, or delete `fingerprint`";
            Err(lacking(source, &value.span, "the list `fingerprint` is empty", help))
        }
        OneOrMore::More(list) => list.iter().map(|text| parsed(source, text)).collect(),
    }
}
