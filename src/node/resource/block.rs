//! Lines of ours in a file of somebody else, such as `/etc/hosts`.

use super::Resource;
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::work::Work;

const BEGIN: &str = "# airlock begin: these lines are written by airlock";
const END: &str = "# airlock end";

/// Lines between our marks. There is one block in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Absolute path of the file.
    pub path: String,
    /// The lines, each with its end; without any the block is not there.
    pub lines: String,
}

impl Resource for Block {
    fn check(&self, machine: &Machine) -> Result<Option<Change>> {
        let text = machine.read_text(&self.path)?.unwrap_or_default();
        let is_equal = with_block(&text, &self.lines) == text;
        let detail = format!("{} lines", self.lines.lines().count());
        Ok((!is_equal).then(|| Change::new(Verb::Replace, &self.path).with_detail(detail)))
    }

    fn make(&self, work: &mut Work<'_>) -> Result<()> {
        let text = work.machine().read_text(&self.path)?.unwrap_or_default();
        work.own(Owned::Block { path: self.path.clone() })?;
        work.rewrite(&self.path, with_block(&text, &self.lines).as_bytes())
    }
}

/// `text` with `lines` as its block: where the block was, else at the end. Everything else stays as it is.
pub fn with_block(text: &str, lines: &str) -> String {
    let (before, after) = around_block(text);
    if lines.is_empty() {
        return format!("{before}{after}");
    }
    let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{gap}{BEGIN}\n{lines}{END}\n{after}")
}

/// What is before and behind the block. One whose end is missing ends with the file's first line that is not
/// known to be ours: none is, so it is only the mark.
fn around_block(text: &str) -> (&str, &str) {
    let Some(begin) = line_start(text, BEGIN) else { return (text, "") };
    let rest = &text[begin..];
    let mark = BEGIN.len() + 1;
    let end = match line_start(rest, END) {
        Some(end) => (end + END.len() + 1).min(rest.len()),
        None => mark.min(rest.len()),
    };
    (&text[..begin], &rest[end..])
}

fn line_start(text: &str, wanted: &str) -> Option<usize> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end_matches('\n') == wanted {
            return Some(start);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_block_is_added_replaced_and_removed() {
        let text = "127.0.0.1 localhost\n";
        let one = with_block(text, "10.0.0.1 registry\n");
        assert_eq!(one, format!("{text}{BEGIN}\n10.0.0.1 registry\n{END}\n"));
        assert_eq!(with_block(&one, "10.0.0.1 registry\n"), one);
        let two = with_block(&format!("{one}# below\n"), "10.0.0.2 registry\n");
        assert_eq!(two, format!("{text}{BEGIN}\n10.0.0.2 registry\n{END}\n# below\n"));
        assert_eq!(with_block(&two, ""), format!("{text}# below\n"));
    }

    proptest! {
        #[test]
        fn nothing_else_is_changed(text in "([a-z #.\n]{0,60}\n)?", lines in "([a-z]{1,9}\n){1,3}") {
            let with = with_block(&text, &lines);
            prop_assert_eq!(with_block(&with, &lines), with.clone());
            prop_assert_eq!(with_block(&with, ""), text);
        }
    }
}
