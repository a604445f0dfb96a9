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
        let text = match event {
            Event::Warning { text } => format!("warning: {}", escape(text)),
            Event::OnHost { host, event: Event::Warning { text } } => {
                format!("warning: {}: {}", escape(host), escape(text))
            }
            _ => return,
        };
        if let Ok(mut out) = self.0.lock() {
            let _ = writeln!(out, "{text}");
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
