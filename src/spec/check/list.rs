//! Lists of words: not empty, none twice, and each of the shape that its key wants.

use crate::error::{Result, codes};
use crate::quote::quote;
use crate::spec::raw::Text;
use crate::spec::source::Source;
use crate::spec::suggest::{listed, nearest};
use crate::spec::yaml::Located;

use super::text::text;
use super::{Check, again, lacking, refused};

/// The entries of the list under `key`, each checked by `entry`. An empty list is refused: leaving out the
/// key is the way to say that nothing is meant.
pub(in crate::spec) fn list(
    check: &mut Check<'_>,
    key: &str,
    list: &Located<Vec<Text>>,
    entry: fn(&Source<'_>, &Text) -> Result<String>,
) -> Option<Vec<String>> {
    let source = check.source;
    if list.value.is_empty() {
        let help = format!("write an entry, or delete `{key}`");
        return check.keep(Err(lacking(source, &list.span, format!("the list `{key}` is empty"), help)));
    }
    let mut seen: Vec<String> = Vec::new();
    check.each(&list.value, |check, value| {
        let word = check.keep(entry(source, value))?;
        if seen.contains(&word) {
            let message = format!("`{}` stands twice under `{key}`", quote(&word));
            return check.keep(Err(again(source, &value.span, message, "delete one of the two")));
        }
        seen.push(word);
        Some(())
    })?;
    Some(seen)
}

/// One of a few words.
pub(in crate::spec) fn one_of<T: Clone>(
    source: &Source<'_>,
    key: &str,
    value: &Text,
    known: &[(&'static str, T)],
) -> Result<T> {
    let typed = text(source, value)?;
    if let Some((_, meaning)) = known.iter().find(|(word, _)| *word == typed) {
        return Ok(meaning.clone());
    }
    let words = || known.iter().map(|(word, _)| *word);
    let help = match nearest(typed, words()) {
        Some(near) => format!("did you mean `{near}`? known are {}", listed(words())),
        None => format!("known are {}", listed(words())),
    };
    let message = format!("`{}` is not a value of `{key}`", quote(typed));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

/// A text without white space that is not empty: one field of a line of apt's.
pub(in crate::spec) fn word(source: &Source<'_>, value: &Text) -> Result<String> {
    let word = text(source, value)?;
    if !word.is_empty() && !word.contains(char::is_whitespace) {
        return Ok(word.to_owned());
    }
    let message = format!("`{}` is empty or holds white space", quote(word));
    Err(refused(source, &value.span, message, "write one word; several are entries of a list"))
}

/// A name of packages with `*` and `?` as wildcards (apt_preferences(5)).
pub(in crate::spec) fn pattern(source: &Source<'_>, value: &Text) -> Result<String> {
    let pattern = text(source, value)?;
    let allowed =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '*' | '?');
    if !pattern.is_empty() && pattern.chars().all(allowed) {
        return Ok(pattern.to_owned());
    }
    let message = format!("`{}` is not a pattern for names of packages", quote(pattern));
    let help = "names consist of a-z, 0-9, `+`, `-` and `.`; `*` stands for anything, `?` for one character";
    Err(refused(source, &value.span, message, help))
}
