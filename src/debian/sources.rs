//! The lists of repositories that apt reads: `sources.list` and the files below `sources.list.d`
//! (sources.list(5)), in the old form of one line each and in that of stanzas.
//!
//! Both forms say the same, so both become [`entry::Entry`] first, with the field names of the stanzas, and only
//! that is judged.

mod entry;
mod line;
mod stanza;

use self::entry::Entry;
use crate::debian::openpgp::Fingerprint;
use crate::error::{Error, Location, Result, codes};
use crate::quote::{escape, quote};

/// One entry of type `deb`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where the repository is; usually one, otherwise all of them are read.
    pub uris: Vec<String>,
    /// Its suites; one that ends in `/` is a flat repository.
    pub suites: Vec<String>,
    /// Its components; empty for a flat repository.
    pub components: Vec<String>,
    /// The only architectures it is read for; empty for all.
    pub architectures: Vec<String>,
    /// Architectures it is not read for.
    pub excluded_architectures: Vec<String>,
    /// The keys whose signature counts; empty for all that the machine trusts.
    pub signed_by: Vec<SignedBy>,
    /// Whether it may not be used once its `Valid-Until` has passed.
    pub check_valid_until: bool,
    /// Whether it is in use. Lines that are commented out are no entries at all.
    pub enabled: bool,
    /// 1-based line where the entry begins.
    pub line: usize,
}

/// Keys whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// An absolute path of a keyring.
    Path(String),
    /// Only this key of the keyrings. An exclamation mark behind it, for one subkey only, has been dropped.
    Fingerprint(Fingerprint),
    /// An armored key that stands in the file.
    Armored(String),
}

impl Source {
    /// Whether it is to be read for `architecture`.
    pub fn has_architecture(&self, architecture: &str) -> bool {
        let is_it = |other: &String| other == architecture;
        let included = self.architectures.is_empty() || self.architectures.iter().any(is_it);
        included && !self.excluded_architectures.iter().any(is_it)
    }
}

/// Reads a list of sources. `path` is its name: `.sources` has stanzas, everything else has lines. Entries of
/// type `deb-src` are left out, options that are not about where packages come from are ignored.
///
/// # Errors
/// [`codes::DEBIAN_SOURCES`] with the line, for what apt would refuse.
pub fn parse(path: &str, text: &str) -> Result<Vec<Source>> {
    let entries = match path.ends_with(".sources") {
        true => stanza::entries(path, text)?,
        false => line::entries(path, text)?,
    };
    let sources = entries.iter().map(|entry| check(path, entry));
    Ok(sources.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The entry as a source; `None` if it has no packages.
fn check(path: &str, entry: &Entry) -> Result<Option<Source>> {
    let types = entry.words("types");
    if let Some(unknown) = types.iter().find(|kind| !matches!(kind.as_str(), "deb" | "deb-src")) {
        let reason = format!("the type `{}` is neither `deb` nor `deb-src`", quote(unknown));
        return Err(refused(path, entry.line_of("types"), reason));
    }
    let source = Source {
        uris: entry.words("uris"),
        suites: entry.words("suites"),
        components: entry.words("components"),
        architectures: architectures(entry),
        excluded_architectures: entry.words("architectures-remove"),
        signed_by: signed_by(path, entry)?,
        check_valid_until: !entry.is_off("check-valid-until") && !entry.is_off("check-date"),
        enabled: !entry.is_off("enabled"),
        line: entry.line,
    };
    let needed = [("type", &types), ("URI", &source.uris), ("suite", &source.suites)];
    if let Some((what, _)) = needed.into_iter().find(|(_, values)| values.is_empty()) {
        return Err(refused(path, entry.line, format!("the entry has no {what}")));
    }
    check_components(path, &source)?;
    Ok(types.iter().any(|kind| kind == "deb").then_some(source))
}

/// Additions only matter where there is something to add to: otherwise all architectures are read already.
fn architectures(entry: &Entry) -> Vec<String> {
    let mut named = entry.words("architectures");
    if !named.is_empty() {
        named.extend(entry.words("architectures-add"));
    }
    named
}

/// A flat repository has no components, every other one has some.
fn check_components(path: &str, source: &Source) -> Result<()> {
    for suite in &source.suites {
        let reason = match (suite.ends_with('/'), source.components.is_empty()) {
            (true, false) => "ends in `/`, which does not go with components",
            (false, true) => "does not end in `/`, so it needs a component",
            _ => continue,
        };
        let reason = format!("the suite `{}` {reason}", quote(suite));
        return Err(refused(path, source.line, reason));
    }
    Ok(())
}

fn signed_by(path: &str, entry: &Entry) -> Result<Vec<SignedBy>> {
    let Some(value) = entry.value("signed-by") else { return Ok(Vec::new()) };
    if value.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        return Ok(vec![SignedBy::Armored(format!("{}\n", value.trim()))]);
    }
    // apt takes a comma in stanzas, too.
    let words = value.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
    words
        .map(|word| key(word).map_err(|error| error.with_location(place(path, entry.line_of("signed-by")))))
        .collect()
}

fn key(word: &str) -> Result<SignedBy> {
    if word.starts_with('/') {
        return Ok(SignedBy::Path(word.to_owned()));
    }
    word.trim_end_matches('!').parse().map(SignedBy::Fingerprint)
}

fn refused(path: &str, line: usize, reason: String) -> Error {
    Error::new(codes::DEBIAN_SOURCES, reason)
        .with_location(place(path, line))
        .with_help("sources.list(5) explains the format; `apt-get indextargets` shows what apt reads from it")
}

fn place(path: &str, line: usize) -> Location {
    Location { file: escape(path).into_owned(), line, column: 1, snippet: None }
}

#[cfg(test)]
mod tests;
