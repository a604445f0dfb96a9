//! `cluster.yaml`, written by the user: the hosts of a cluster and what is wanted of them.
//!
//! `raw` is the file as typed, `check` turns it into an [`Inventory`], [`render()`] writes one. Every key is explained in
//! `docs/cluster-yaml.md`.

pub(super) mod check;
pub(super) mod raw;
mod render;

use std::path::Path;

pub use self::render::{SecretFiles, render};
use super::check::lacking;
use super::hidden::secret_values;
use super::source::Source;
use super::suggest::nearest;
use super::yaml::{self, Given, Located};
use crate::cluster::inventory::Inventory;
use crate::error::{Location, Result, codes};
use crate::quote::quote;
use crate::secret::Secret;
use crate::spec::raw::Text;

/// Reads the content of a file with a secret. The path is absolute, relative to the working directory, or begins
/// with `~/`.
pub type ReadSecret<'a> = &'a mut dyn FnMut(&Path) -> Result<Secret<String>>;

/// What an inventory says.
#[derive(Debug)]
pub struct Read {
    /// The hosts, and what holds for all of them.
    pub inventory: Inventory,
    /// What the user should know, in the order in which it was noticed.
    pub warnings: Vec<Warning>,
    /// The first place where the file itself holds a password or token, if it does.
    pub secret: Option<Location>,
}

/// Something that does not stop anything, and that the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// Where in the inventory.
    pub location: Location,
}

/// Reads and checks the text of a `cluster.yaml`.
///
/// `file_name` is the file as the user named it, for messages. Paths in it are relative to `directory`. Files with
/// secrets are read by `read_secret`.
///
/// # Errors
/// `E0101`-`E0107` and `E1103`-`E1105`: the first problem in the order of the file, with line, column, snippet and the
/// edit that helps; and what `read_secret` says.
pub fn parse(text: &[u8], file_name: &str, directory: &Path, read_secret: ReadSecret<'_>) -> Result<Read> {
    let text = yaml::decode(text, file_name)?;
    let source = Source::new(file_name, text).hiding(secret_values(text));
    let raw: Located<raw::Cluster> = yaml::parse(&source)?;
    head(&source, &raw, "apiVersion", &raw.value.api_version, "airlock/v1")?;
    head(&source, &raw, "kind", &raw.value.kind, "Cluster")?;
    let mut warnings = Vec::new();
    let inventory = check::inventory(&source, directory, &raw, read_secret, &mut warnings)?;
    Ok(Read { inventory, warnings, secret: None })
}

/// A key that has one allowed value.
fn head(
    source: &Source<'_>,
    raw: &Located<raw::Cluster>,
    key: &str,
    value: &Given<Text>,
    wanted: &str,
) -> Result<()> {
    let Some(value) = value.as_ref() else {
        let help = format!("add a line `{key}: {wanted}`");
        return Err(lacking(source, &raw.span, format!("`{key}` is missing"), help));
    };
    if value.value == wanted {
        return Ok(());
    }
    let help = match nearest(&value.value, [wanted]) {
        Some(_) if !value.value.starts_with("airlock/v") => format!("did you mean `{key}: {wanted}`?"),
        _ => format!("write `{key}: {wanted}`; is it the right file?"),
    };
    let message = format!("{key} `{}` is not that of a cluster", quote(&value.value));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

/// The JSON Schema of `cluster.yaml` (draft 2020-12), for editors. It is a little more lenient than [`parse`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(raw::Cluster).to_value()
}
