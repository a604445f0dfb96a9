//! Ansible inventories in INI, as users already have them.
//!
//! `document` reads lines, groups and variables as Ansible does, `groups` finds out what holds for each host,
//! `translate` turns that into what a `cluster.yaml` would say, with the places of the words. From there on both formats
//! are the same. What has no meaning here is named in a warning; what would change the cluster if it were left out is
//! an error. The rules are those of Ansible's documentation ("How to build your inventory", "Using variables"); what
//! each group and variable becomes stands in `docs/cluster-yaml.md`.

mod cluster;
mod document;
mod groups;
mod hosts;
mod literal;
mod notes;
mod roles;
mod ssh_arguments;
mod translate;
mod values;
mod variables;
mod words;

use std::path::Path;

use super::cluster::{Read, check};
use super::hidden::secret_values;
use super::source::Source;
use super::yaml;
use crate::error::{Error, Result, codes};

/// Reads and checks the text of an inventory in INI.
///
/// `file_name` is the file as the user named it, for messages. Paths in it are relative to `directory`.
///
/// # Errors
/// `E1100`-`E1105`, and `E0101`, `E0105` and `E0107` as for a `cluster.yaml`: with line, column, snippet and the edit that
/// helps. Passwords and tokens are in none of them.
pub fn parse(text: &[u8], file_name: &str, directory: &Path) -> Result<Read> {
    let text = yaml::decode(text, file_name)?;
    if text.starts_with("$ANSIBLE_VAULT") {
        return Err(foreign(
            file_name,
            "is encrypted by ansible-vault",
            "`ansible-vault view FILE > hosts.ini`, mode 0600",
        ));
    }
    let source = Source::ini(file_name, text).hiding(secret_values(text));
    let document = document::Document::parse(&source)?;
    let mut notes = notes::Notes::new(&source);
    let translated = translate::cluster(&source, &document, &mut notes)?;
    let mut warnings = notes.into_warnings();
    let mut no_file =
        |_: &Path| Err(Error::new(codes::INTERNAL, "an inventory in INI names no file with a secret"));
    let inventory = check::inventory(&source, directory, &translated.raw, &mut no_file, &mut warnings)?;
    let secret = translated.secret.map(|span| source.location(&span, ""));
    Ok(Read { inventory, warnings, secret })
}

/// Whether a file is an inventory in INI rather than YAML, by what it begins with and what its lines look like.
pub fn is_ini(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim_end);
    let is_head = |line: &str| line.starts_with("apiVersion:") || line.starts_with("kind:");
    if text.lines().any(is_head) {
        return false;
    }
    let is_content = |line: &&str| !line.trim().is_empty() && !line.starts_with(['#', ';']);
    let Some(first) = lines.find(is_content) else { return false };
    let is_key = first.split_once(':').is_some_and(|(key, rest)| {
        (rest.is_empty() || rest.starts_with(' ')) && !key.contains(['[', '=']) && !key.contains(' ')
    });
    !(is_key || first.starts_with("---") || first.starts_with('{'))
}

/// Whether a file is an inventory of Ansible in YAML, which is not read.
pub fn is_ansible_yaml(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    !is_ini(text.as_bytes())
        && !text.lines().any(|line| line.starts_with("apiVersion:"))
        && text.lines().any(|line| matches!(line.trim(), "hosts:" | "children:"))
}

/// The error about an inventory in YAML.
pub fn not_ini(file_name: &str) -> Error {
    foreign(
        file_name,
        "is an Ansible inventory in YAML, and only those in INI are read",
        "write it as INI, or as a `cluster.yaml`; docs/cluster-yaml.md shows both",
    )
}

fn foreign(file_name: &str, what: &str, help: &str) -> Error {
    let message = format!("`{}` {what}", crate::quote::quote(file_name));
    Error::new(codes::INVENTORY_FORMAT, message).with_help(help)
}
