//! Lists of sources in stanzas (sources.list(5), "deb822-style format").
//!
//! Other control files have no comments, and nobody asks for their lines; hence a reader of its own.

use super::entry::{Entry, Field};
use super::refused;
use crate::error::Result;
use crate::quote::quote;

/// The entries of a file `.sources`.
pub(super) fn entries(path: &str, text: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut current: Option<Entry> = None;
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with('#')) {
        if line.trim().is_empty() {
            entries.extend(current.take());
            continue;
        }
        let entry = current.get_or_insert_with(|| Entry { line: number, fields: Vec::new() });
        read(path, number, line, entry)?;
    }
    entries.extend(current);
    Ok(entries)
}

/// Adds a field, or a further line to the last one.
fn read(path: &str, number: usize, line: &str, entry: &mut Entry) -> Result<()> {
    let is_continued = line.starts_with([' ', '\t']);
    match (is_continued, entry.fields.last_mut(), line.split_once(':')) {
        (true, Some(field), _) => {
            field.value.push('\n');
            // A full stop stands for an empty line, which would end the stanza.
            field.value.push_str(Some(line.trim()).filter(|line| *line != ".").unwrap_or_default());
        }
        (false, _, Some((name, value))) if is_name(name.trim_end()) => entry.fields.push(Field {
            name: name.trim_end().to_ascii_lowercase(),
            value: value.trim().to_owned(),
            line: number,
        }),
        _ => {
            let reason = format!("`{}` is not a field", quote(line.trim()));
            return Err(refused(path, number, reason));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}
