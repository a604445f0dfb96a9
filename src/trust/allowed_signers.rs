//! The allowed-signers file (ssh-keygen(1), "ALLOWED SIGNERS"): whose signatures count, and for what.
//!
//! One line per key: `principal[,principal…] [namespaces="…"] ssh-ed25519 AAAA… [comment]`. Options that need
//! a clock or a certificate authority are refused rather than ignored: a node behind an air gap has no
//! clock to trust, and a line that means less than it says is dangerous.

use super::key::PublicKey;
use super::pattern;
use super::text::{self, Line};
use crate::error::{Error, Result, codes};
use crate::quote::quote;

/// The largest file that is read, in bytes.
pub const MAX_LENGTH: u64 = 1024 * 1024;

/// The keys that may sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSigners(Vec<Entry>);

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names of the signer: comma-separated patterns, as written.
    pub principals: String,
    /// Pattern list of the purposes the key is allowed for; none means all.
    pub namespaces: Option<String>,
    /// The key.
    pub key: PublicKey,
}

impl AllowedSigners {
    /// Reads the content of an allowed-signers file. `file` is its name for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        text::lines(file, text).map(|line| parse_line(&line)).collect::<Result<_>>().map(AllowedSigners)
    }

    /// All entries in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The entries of this key.
    pub fn of_key<'a>(&'a self, key: &'a PublicKey) -> impl Iterator<Item = &'a Entry> {
        self.0.iter().filter(|entry| entry.key.is_same(key))
    }
}

impl Entry {
    /// Whether the key may sign for this purpose.
    pub fn allows(&self, namespace: &str) -> bool {
        self.namespaces.as_deref().is_none_or(|list| pattern::list_matches(list, namespace))
    }
}

fn parse_line(line: &Line<'_>) -> Result<Entry> {
    let (principals, rest) = split_unquoted(line.text);
    let principals =
        principals.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(principals);
    if principals.is_empty() || rest.is_empty() {
        return Err(line
            .error(codes::ALLOWED_SIGNERS, line.text, "the line lacks a key")
            .with_help("write `NAME namespaces=\"airlock.*\" ssh-ed25519 AAAA…`"));
    }
    let (options, key) = if is_key_type(rest) { ("", rest) } else { split_unquoted(rest) };
    let namespaces = parse_options(line, options)?;
    let key = PublicKey::parse(key).map_err(|cause| {
        let error = line.error(codes::ALLOWED_SIGNERS, key, cause.message());
        error.with_help(cause.help().unwrap_or_default())
    })?;
    Ok(Entry { principals: principals.to_owned(), namespaces, key })
}

fn is_key_type(text: &str) -> bool {
    ["ssh-", "sk-", "ecdsa-"].iter().any(|prefix| text.starts_with(prefix))
}

/// The value of `namespaces`, if it is among the options.
fn parse_options(line: &Line<'_>, options: &str) -> Result<Option<String>> {
    let mut namespaces = None;
    for option in split_options(options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        match (name.to_ascii_lowercase().as_str(), value) {
            ("namespaces", Some(value)) if namespaces.is_none() => namespaces = Some(value.to_owned()),
            _ => return Err(bad_option(line, option, name)),
        }
    }
    Ok(namespaces)
}

fn bad_option(line: &Line<'_>, option: &str, name: &str) -> Error {
    let (message, help) = match name.to_ascii_lowercase().as_str() {
        "valid-after" | "valid-before" => (
            format!("`{name}` needs a clock, which a node behind an air gap does not have"),
            "remove the option, and list keys that no longer count in the file of revoked keys",
        ),
        "cert-authority" => (
            "certificates are not supported".to_owned(),
            "list the signer's own key, without `cert-authority`",
        ),
        "namespaces" => (
            "`namespaces` is given twice or without quotes".to_owned(),
            "write `namespaces=\"airlock.*\"`, once",
        ),
        _ => (format!("option `{}` is not known", quote(name)), "the only option is `namespaces=\"…\"`"),
    };
    line.error(codes::ALLOWED_SIGNERS, option, message).with_help(help)
}

/// Splits at the first white space outside of double quotes.
fn split_unquoted(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.find(|character: char| {
        quoted ^= character == '"';
        !quoted && character.is_ascii_whitespace()
    });
    end.map_or((text, ""), |end| (&text[..end], text[end..].trim_start()))
}

/// Splits at commas outside of double quotes.
fn split_options(options: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let outside = move |character: char| {
        quoted ^= character == '"';
        !quoted && character == ','
    };
    options.split(outside).filter(|option| !option.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhdJOLZ8TbTlxLr9Jtsbb3HzY2HuRoUwWCsnbY7J5tB";

    #[test]
    fn lines_are_read_as_openssh_reads_them() {
        let text = format!(
            "# signers\n\nrelease {KEY} comment here\n\"a b\" {KEY}\nx@lab,*@site NAMESPACES=\"git,airlock.*\" {KEY}\r\n"
        );
        let signers = AllowedSigners::parse("allowed", &text).unwrap();
        let principals: Vec<_> = signers.entries().iter().map(|entry| entry.principals.as_str()).collect();
        assert_eq!(principals, ["release", "a b", "x@lab,*@site"]);
        let entry = &signers.entries()[2];
        assert!(entry.allows("git") && entry.allows("airlock.manifest.v1") && !entry.allows("file"));
        assert!(signers.entries()[0].allows("anything"));
        assert_eq!(signers.of_key(&entry.key).count(), 3);
    }

    #[test]
    fn lines_that_cannot_be_honoured_are_errors_with_their_place() {
        for (line, expected, column) in [
            (format!("release cert-authority {KEY}"), "certificates are not supported", 9),
            (format!("release valid-before=\"20300101\" {KEY}"), "`valid-before` needs a clock", 9),
            (
                format!("release namespaces=\"a\",valid-after=\"2020\" {KEY}"),
                "`valid-after` needs a clock",
                24,
            ),
            (format!("release namespaces=airlock {KEY}"), "given twice or without quotes", 9),
            (format!("release touch-required {KEY}"), "option `touch-required` is not known", 9),
            ("release".to_owned(), "the line lacks a key", 1),
            (KEY.to_owned(), "option `AAAAC3", 13),
            ("release ssh-rsa AAAA".to_owned(), "keys of type `ssh-rsa`", 9),
            ("release ssh-ed25519 AAAA".to_owned(), "this is not a public key", 9),
        ] {
            let error = AllowedSigners::parse("signers", &format!("# one\n{line}\n")).unwrap_err();
            assert!(error.message().contains(expected), "{line}: {error}");
            let location = error.location().unwrap();
            assert_eq!((location.line, location.column), (2, column), "{line}");
            assert_eq!(error.kind().exit_status(), 3);
            assert!(error.help().is_some());
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = AllowedSigners::parse("signers", &text);
        }
    }
}
