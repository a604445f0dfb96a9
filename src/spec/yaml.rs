//! The only place that knows the YAML library: reading text into typed values with their positions.
//!
//! The budgets keep hostile files cheap: size, nesting, nodes and what aliases may expand to are bounded
//! before anything of that size exists.

mod explain;
mod outline;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::{Deref, Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, Result, codes};
use crate::spec::MAX_BYTES;
use crate::spec::source::Source;

/// A value and the bytes of the text it was read from. Values that came through an alias point to where
/// they are written down.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(deserializer)?;
        Ok(Located { value: spanned.value, span: byte_range(&spanned.defined) })
    }
}

/// In the schema a wrapper is what it wraps.
macro_rules! transparent_schema {
    ($($wrapper:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $wrapper<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}

transparent_schema!(Given, Located);

/// The value of a key, if the key is there. Unlike with an `Option`, a key without a value (`key:` or
/// `key: null`) is not the same as no key, but as wrong as the type makes it.
#[derive(Clone, Debug)]
pub(super) struct Given<T>(Option<T>);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Given(None)
    }
}

impl<T> From<Option<T>> for Given<T> {
    fn from(value: Option<T>) -> Self {
        Given(value)
    }
}

impl<T> Deref for Given<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Given(Some(value)))
    }
}

/// A map in the order of the file, with the positions of its keys.
#[derive(Clone, Debug)]
pub(super) struct Entries<T>(pub Vec<(Located<String>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

/// Reads the one document in `source`.
///
/// # Errors
/// `E0101`-`E0104`, `E0106` for an empty file and `E0107`, each with its place.
pub(super) fn parse<T: DeserializeOwned>(source: &Source<'_>) -> Result<T> {
    if source.text.lines().all(is_without_content) {
        return Err(source.error(codes::SPEC_MISSING, "the file is empty", &(0..0), "").with_help(
            "begin with `apiVersion: airlock/v1` and the `kind`; manifests/examples has whole files",
        ));
    }
    serde_saphyr::from_str_with_options(source.text, options())
        .map_err(|error| explain::explain(source, error.without_snippet()))
}

fn is_without_content(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
}

/// Checks size and encoding, and takes off a byte order mark.
///
/// # Errors
/// `E0107` if the file is too large, `E0101` if it is not UTF-8 or holds characters YAML does not allow.
pub(super) fn decode<'a>(bytes: &'a [u8], file: &str) -> Result<&'a str> {
    if bytes.len() > MAX_BYTES {
        let message = format!("{file} has {} bytes, more than the {MAX_BYTES} that are allowed", bytes.len());
        return Err(Error::new(codes::SPEC_BUDGET, message)
            .with_help("is it the right file? a bundle of a thousand images needs about 100,000 bytes, a cluster of a thousand hosts the same; name many files with one glob, many hosts with one range"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, file, error.valid_up_to()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    match text.find(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}')) {
        None => Ok(text),
        Some(offset) => Err(forbidden_character(&Source::new(file, text), offset)),
    }
}

fn not_utf8(bytes: &[u8], file: &str, offset: usize) -> Error {
    // What precedes the first wrong byte is valid, so nothing is lost here.
    let text = String::from_utf8_lossy(&bytes[..offset]);
    let help = if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
        "the file is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`"
    } else {
        "save the file as UTF-8; an old Latin-1 file is converted with `iconv -f LATIN1 -t UTF-8`"
    };
    let message = format!("byte 0x{:02x} is not UTF-8", bytes.get(offset).copied().unwrap_or_default());
    Source::new(file, &text)
        .error(codes::SPEC_SYNTAX, message, &(offset..offset), "after this")
        .with_help(help)
}

fn forbidden_character(source: &Source<'_>, offset: usize) -> Error {
    let character = source.text[offset..].chars().next().unwrap_or_default();
    let message = format!("control character U+{:04X} is not allowed in YAML", u32::from(character));
    source
        .error(codes::SPEC_SYNTAX, message, &(offset..offset + character.len_utf8()), "this character")
        .with_help("delete it; `cat -v` makes such characters visible")
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 200_000,
            max_nodes: 100_000,
            max_depth: 16,
            flow_nesting_limit: 16,
            max_anchors: 100,
            max_aliases: 1_000,
            max_recorded_anchor_events: 20_000,
            max_recorded_anchor_bytes: MAX_BYTES,
            max_total_scalar_bytes: MAX_BYTES,
            max_documents: 1,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        // A merge can override a key far away from where it stands; a file under review should not.
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
        emit_comments: false,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// Bytes of a place, `0..0` where the library does not know it.
fn byte_range(location: &serde_saphyr::Location) -> Range<usize> {
    let span = location.span();
    let offset = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok()).unwrap_or_default();
    let start = offset(span.byte_offset());
    start..start + offset(span.byte_len())
}
