//! The distribution: `/etc/os-release` (os-release(5)).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::root::Root;

/// The distribution a machine runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperatingSystem {
    /// `ID`, such as `debian`.
    pub id: Option<String>,
    /// `ID_LIKE`: families it belongs to, nearest first.
    pub id_like: Vec<String>,
    /// `VERSION_ID`, such as `12`.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`, such as `bookworm`.
    pub codename: Option<String>,
    /// `PRETTY_NAME`, for people.
    pub name: Option<String>,
}

impl OperatingSystem {
    /// The name that `hosts` in `bundle.yaml` has for it: `debian-12`, `ubuntu-24.04`.
    pub fn host(&self) -> Option<String> {
        Some(format!("{}-{}", self.id.as_ref()?, self.version_id.as_ref()?))
    }
}

pub(super) fn gather(root: &Root<'_>) -> OperatingSystem {
    let text = root.text("/etc/os-release").or_else(|| root.text("/usr/lib/os-release"));
    let mut fields = text.as_deref().map(assignments).unwrap_or_default();
    OperatingSystem {
        id_like: fields.get("ID_LIKE").map(|like| words(like)).unwrap_or_default(),
        id: fields.remove("ID"),
        version_id: fields.remove("VERSION_ID"),
        codename: fields.remove("VERSION_CODENAME"),
        name: fields.remove("PRETTY_NAME"),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The assignments of a file in the manner of a shell, such as os-release and `/etc/environment`: `NAME=value`,
/// `NAME="quoted value"`, with or without `export`. Empty values are left out; the last of several counts.
pub(super) fn assignments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), unquoted(value.trim())));
    pairs.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect()
}

/// A value without its quotes, and without the backslashes that protect characters in double quotes.
fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(single) = inside('\'') {
        return single.to_owned();
    }
    let Some(double) = inside('"') else { return value.to_owned() };
    let mut characters = double.chars();
    let mut plain = String::with_capacity(double.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_of_every_kind_are_taken_off() {
        let found = assignments(
            "# comment\nID=debian\nNAME=\"Debian \\\"GNU\\\"\"\nX='a b'\nEMPTY=\n\"\nexport P=1\nID=last\n",
        );
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, [("ID", "last"), ("NAME", "Debian \"GNU\""), ("P", "1"), ("X", "a b")]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([A-Z]{0,3}=?[\"'\\\\ a-zß\n]{0,6}){0,20}") {
            prop_assert!(assignments(&text).iter().all(|(name, value)| !name.is_empty() && !value.is_empty()));
        }
    }
}
