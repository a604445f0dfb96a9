//! Lists of packages: groups, what stands in a list, and what a target gets of several lists.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::quote::quote;
use crate::spec::apt::Wish;
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::suggest::{listed as in_words, nearest};
use crate::spec::yaml::{Entries, Located};

use super::super::name;
use super::super::text::text;
use super::super::{Check, again, lacking, refused};
use super::wish::wish;

/// The packages of each group.
pub(super) type Groups = BTreeMap<String, Rc<[Wish]>>;

/// One entry of a list of packages.
pub(super) struct Listed {
    /// As typed.
    text: String,
    span: Range<usize>,
    /// Itself, or what the group has, shared with every other list that names it.
    wishes: Rc<[Wish]>,
}

/// All groups. A group has packages only.
pub(super) fn groups(check: &mut Check<'_>, groups: Option<&Entries<Located<Vec<Text>>>>) -> Option<Groups> {
    let entries = groups.map(|groups| groups.0.as_slice()).unwrap_or_default();
    let groups = check.each(entries, |check, (key, list)| {
        let name = check.keep(group_name(check.source, key));
        let packages = check.each(&list.value, |check, value| check.keep(in_group(check.source, value)));
        if list.value.is_empty() {
            let message = format!("group `{}` is empty", quote(&key.value));
            let help = "write its packages, or delete it";
            return check.keep(Err(lacking(check.source, &list.span, message, help)));
        }
        Some((name?, packages?.into()))
    })?;
    Some(groups.into_iter().collect())
}

fn group_name(source: &Source<'_>, key: &Text) -> Result<String> {
    let typed = text(source, key)?;
    match name::fault(typed) {
        None => Ok(typed.to_owned()),
        Some(reason) => {
            let message = format!("a group cannot be called `{}`: {reason}", quote(typed));
            Err(refused(
                source,
                &key.span,
                message,
                "choose a short word, such as `ha`; it is used as `\"@ha\"`",
            ))
        }
    }
}

fn in_group(source: &Source<'_>, value: &Text) -> Result<Wish> {
    if value.value.starts_with('@') {
        let message = format!("`{}` is a group within a group", quote(&value.value));
        return Err(refused(source, &value.span, message, "write the packages of that group instead"));
    }
    wish(source, value)
}

/// An entry of `packages`. `groups` is `None` if those are wrong themselves.
pub(super) fn listed(source: &Source<'_>, value: &Text, groups: Option<&Groups>) -> Result<Listed> {
    let entry = |wishes| Listed { text: value.value.clone(), span: value.span.clone(), wishes };
    let Some(group) = value.value.strip_prefix('@') else {
        return wish(source, value).map(|wish| entry([wish].into()));
    };
    text(source, value)?;
    match groups.map(|groups| groups.get(group).ok_or_else(|| groups.keys())) {
        None => Ok(entry([].into())),
        Some(Ok(wishes)) => Ok(entry(Rc::clone(wishes))),
        Some(Err(known)) => {
            let known: Vec<&str> = known.map(String::as_str).collect();
            let help = match (nearest(group, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => format!("did you mean `\"@{near}\"`?"),
                (None, false) => format!("the groups are {}", in_words(known)),
                (None, true) => format!("define it: `groups: {{{}: [keepalived, haproxy]}}`", quote(group)),
            };
            Err(refused(source, &value.span, format!("there is no group `{}`", quote(group)), help))
        }
    }
}

/// What is asked for, in order. A package that several groups have is wanted once; one that is written down twice
/// is a mistake.
pub(super) fn joined(source: &Source<'_>, lists: [&[Listed]; 2]) -> Result<Vec<Wish>> {
    let mut lines = HashMap::new();
    let mut known = HashSet::new();
    let mut wishes = Vec::new();
    for entry in lists.into_iter().flatten() {
        if let Some(first) = lines.insert(&entry.text, source.line(entry.span.start)) {
            return Err(listed_twice(source, entry, first));
        }
        wishes.extend(entry.wishes.iter().filter(|wish| known.insert(&wish.text)).cloned());
    }
    Ok(wishes)
}

fn listed_twice(source: &Source<'_>, entry: &Listed, first: usize) -> Error {
    let message =
        format!("`{}` is listed twice for the same target, also on line {first}", quote(&entry.text));
    again(source, &entry.span, message, format!("delete the entry on line {first} or this one"))
}
