//! Lists of sources with one entry in each line (sources.list(5), "one-line-style format"):
//! `deb [ option=value ] uri suite component`.

use super::entry::{Entry, Field};
use super::refused;
use crate::error::Result;
use crate::quote::quote;

/// The entries of a file `.list`.
pub(super) fn entries(path: &str, text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = words(line).ok_or_else(|| {
            refused(path, number, "a quotation mark or square bracket is not closed".to_owned())
        })?;
        if words.is_empty() {
            continue;
        }
        let mut entry = Entry { line: number, fields: Vec::new() };
        entry.add("types", words.remove(0));
        if let Some(options) = words.first().and_then(|word| word.strip_prefix('[')?.strip_suffix(']')) {
            entry.add_options(path, options)?;
            words.remove(0);
        }
        let mut rest = words.into_iter();
        for name in ["uris", "suites"] {
            // Spaces are in the names of discs only, and apt reads `%20` as one.
            rest.next().into_iter().for_each(|word| entry.add(name, word.replace(' ', "%20")));
        }
        entry.add("components", rest.collect::<Vec<_>>().join(" "));
        entries.push(entry);
    }
    Ok(entries)
}

impl Entry {
    fn add(&mut self, name: &str, value: String) {
        self.fields.push(Field { name: name.to_owned(), value, line: self.line });
    }

    /// Reads `name=value,value`, also with `+=` and `-=`, under the names that stanzas have for them.
    fn add_options(&mut self, path: &str, options: &str) -> Result<()> {
        for option in options.split_whitespace() {
            let Some((name, values)) = option.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                let reason = format!("the option `{}` has no value", quote(option));
                return Err(refused(path, self.line, reason));
            };
            let (name, suffix) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
                (Some(name), _) => (name, "-add"),
                (_, Some(name)) => (name, "-remove"),
                _ => (name, ""),
            };
            let name = if name == "arch" { "architectures" } else { name };
            self.add(&format!("{name}{suffix}"), values.replace(',', " "));
        }
        Ok(())
    }
}

/// The words of a line. White space within quotation marks and square brackets does not separate; quotation
/// marks are left out. `None` if one of them is not closed.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), String::new());
    let (mut quoted, mut bracketed) = (false, false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            _ if character.is_whitespace() && !quoted && !bracketed => {
                words.push(std::mem::take(&mut word));
            }
            _ => {
                bracketed = !quoted && (character == '[' || bracketed && character != ']');
                word.push(character);
            }
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    (!quoted && !bracketed).then_some(words)
}
