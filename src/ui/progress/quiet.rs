//! No progress, but still what the user should know.

use std::io::Write;
use std::sync::Mutex;

use super::Display;
use crate::progress::{Event, Progress};
use crate::ui::text::escape;

/// Prints warnings and nothing else.
pub(super) struct WarningsOnly<W>(Mutex<W>);

impl<W: Write + Send> WarningsOnly<W> {
    pub(super) fn new(out: W) -> Self {
        WarningsOnly(Mutex::new(out))
    }
}

impl<W: Write + Send> Progress for WarningsOnly<W> {
    fn event(&self, event: Event<'_>) {
        if let (Event::Warning { text }, Ok(mut out)) = (event, self.0.lock()) {
            let _ = writeln!(out, "warning: {}", escape(text));
        }
    }
}

impl<W: Write + Send> Display for WarningsOnly<W> {
    fn close(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Stage;

    #[test]
    fn only_warnings_are_printed() {
        let quiet = WarningsOnly::new(Vec::new());
        quiet.event(Event::Started { stage: Stage::Fetch, bytes: Some(1) });
        quiet.event(Event::Warning { text: "429, waiting 30 s\u{1b}" });
        assert_eq!(quiet.0.into_inner().unwrap(), b"warning: 429, waiting 30 s\\u{1b}\n");
    }
}
