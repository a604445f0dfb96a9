//! When a name first came up while the indices were read.
//!
//! apt numbers packages as it reads: a package gets its number when its own stanza comes, or earlier, when
//! another stanza names it. Between providers that are equal in everything else the older apt takes the one
//! with the highest number, so what a stanza at the start of the list mentions decides what is installed.

use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::{PackageId, Universe};
use crate::debian::package::{Package, Relationship};

/// A place in the order of reading: the stanza, the field in it, the byte in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention(usize, usize, usize);

/// The fields of a stanza in the order in which apt reads them, after the name.
const FIELDS: [Relationship; 9] = [
    Relationship::PreDepends,
    Relationship::Depends,
    Relationship::Conflicts,
    Relationship::Breaks,
    Relationship::Recommends,
    Relationship::Suggests,
    Relationship::Replaces,
    Relationship::Enhances,
    Relationship::Provides,
];

impl Universe<'_> {
    /// Where the name of `package` was first read. Takes some milliseconds in a large universe.
    pub fn first_mention(&self, package: PackageId) -> Mention {
        let name = self.name(package);
        let finder = Finder::new(name);
        let found = self.entries.iter().enumerate().try_for_each(|(number, entry)| {
            match mention(&entry.stanza, name, &finder) {
                Some((field, position)) => ControlFlow::Break(Mention(number, field, position)),
                None => ControlFlow::Continue(()),
            }
        });
        found.break_value().unwrap_or(Mention(usize::MAX, 0, 0))
    }
}

/// The field and the byte where a stanza has `name`; its own name is field 0.
fn mention(stanza: &Package<'_>, name: &str, finder: &Finder<'_>) -> Option<(usize, usize)> {
    if stanza.name == name {
        return Some((0, 0));
    }
    // One search in the whole stanza is much cheaper than one in each field, and nearly always enough.
    finder.find(stanza.stanza.text())?;
    FIELDS.iter().enumerate().find_map(|(number, field)| {
        let text = stanza.relation_text(*field).as_bytes();
        let mut found = finder.find_iter(text);
        found.find(|start| is_whole_name(text, *start, name.len())).map(|start| (number + 1, start))
    })
}

/// Whether the bytes at `start` are a name of their own and not part of a longer one or of a version.
fn is_whole_name(text: &[u8], start: usize, length: usize) -> bool {
    let before = text[..start].iter().rev().find(|byte| !byte.is_ascii_whitespace());
    let after = text.get(start + length);
    before.is_none_or(|byte| b",|".contains(byte))
        && after.is_none_or(|byte| byte.is_ascii_whitespace() || b",|(:".contains(byte))
}
