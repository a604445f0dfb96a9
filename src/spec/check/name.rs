//! Names, versions and channels: words that become parts of file names and of tags.

use crate::error::{Result, codes};
use crate::quote::quote;
use crate::spec::raw::Text;
use crate::spec::source::Source;

use super::text::text;

/// Longest name, as for a DNS label (RFC 1035, 2.3.4).
const MAX_LENGTH: usize = 63;

/// `[a-z0-9]([a-z0-9._-]*[a-z0-9])?` without `..`, at most 63 characters. `key` is how the file calls it.
pub(super) fn name(source: &Source<'_>, key: &str, value: &Text) -> Result<String> {
    let name = text(source, value)?;
    let Some(reason) = fault(name) else { return Ok(name.to_owned()) };
    let help = match repaired(name) {
        Some(repaired) => format!("write `{key}: \"{repaired}\"`"),
        None => format!("write a short {key} of a-z, 0-9, `.`, `_` and `-`, such as `gpu-lab` or `2026.11`"),
    };
    let message = format!("{key} `{}` is not allowed: {reason}", quote(name));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "becomes part of file names").with_help(help))
}

/// What is wrong with a name, if anything.
pub(super) fn fault(name: &str) -> Option<&'static str> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() {
        Some("it is empty")
    } else if name.len() > MAX_LENGTH {
        Some("it is longer than 63 characters")
    } else if name.contains("..") {
        Some("it contains `..`")
    } else if !name.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-')) {
        Some("only a-z, 0-9, `.`, `_` and `-` may be used")
    } else if !name.starts_with(alphanumeric) || !name.ends_with(alphanumeric) {
        Some("it must begin and end with a letter or digit")
    } else {
        None
    }
}

/// The nearest allowed name, if one is obvious.
fn repaired(name: &str) -> Option<String> {
    let repaired = name.to_lowercase().replace([' ', '/', '+', ':'], "-").replace("..", ".");
    let repaired = repaired.trim_matches(['.', '_', '-']);
    fault(repaired).is_none().then(|| repaired.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_allowed_or_repaired() {
        for name in ["a", "gpu-lab", "2026.11", "v1.2_3", &"a".repeat(63)] {
            assert_eq!(fault(name), None, "{name}");
        }
        assert_eq!(repaired("GPU Lab").as_deref(), Some("gpu-lab"));
        assert_eq!(repaired(".hidden").as_deref(), Some("hidden"));
        assert_eq!(repaired("größe"), None);
    }

    proptest! {
        #[test]
        fn an_allowed_name_is_one_component_of_a_path(name in "[a-z0-9._/\\-]{0,70}") {
            let harmless = !name.contains('/') && !name.contains("..") && !name.starts_with(['.', '-']);
            prop_assert!(fault(&name).is_some() || harmless);
        }

        #[test]
        fn a_repaired_name_is_allowed(name in "\\PC{0,70}") {
            prop_assert!(repaired(&name).is_none_or(|name| fault(&name).is_none()));
        }
    }
}
