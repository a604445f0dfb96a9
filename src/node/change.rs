//! What a step would change, in words for people and fields for programs.

use std::fmt;

use serde::Serialize;

use crate::quote::escape;

/// What is done to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// It is made.
    Create,
    /// It exists and becomes something else.
    Replace,
    /// It is there no more.
    Remove,
    /// Packages are installed.
    Install,
    /// A unit, a module, a process is started.
    Start,
    /// … and stopped.
    Stop,
    /// A unit is stopped and started.
    Restart,
    /// A program is run for what it does.
    Run,
    /// Something is waited for.
    Wait,
    /// Something is copied in, such as blobs into a store.
    Import,
    /// An image is brought to a registry.
    Push,
    /// The machine is restarted.
    Reboot,
}

impl Verb {
    /// As the plan prints it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Replace => "replace",
            Verb::Remove => "remove",
            Verb::Install => "install",
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
            Verb::Run => "run",
            Verb::Wait => "wait for",
            Verb::Import => "import",
            Verb::Push => "push",
            Verb::Reboot => "reboot",
        }
    }
}

/// One thing that would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What is done.
    pub verb: Verb,
    /// To what: a path, a unit, a package, a node.
    pub what: String,
    /// More about it, such as a size, a mode or a version; never a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How many bytes are written, where that is worth telling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Change {
    /// A change without detail.
    pub fn new(verb: Verb, what: impl Into<String>) -> Change {
        Change { verb, what: what.into(), detail: None, bytes: None }
    }

    /// The same with detail.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Change {
        self.detail = Some(detail.into());
        self
    }

    /// The same with a number of bytes.
    pub fn with_bytes(self, bytes: u64) -> Change {
        Change { bytes: Some(bytes), ..self }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb.name(), escape(&self.what))?;
        match &self.detail {
            Some(detail) => write!(formatter, " ({})", escape(detail)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_like_a_sentence_and_never_moves_the_cursor() {
        let change = Change::new(Verb::Create, "/etc/hosts\x1b[2J").with_detail("0644");
        assert_eq!(change.to_string(), r"create /etc/hosts\u{1b}[2J (0644)");
        let json = serde_json::to_value(Change::new(Verb::Wait, "node gpu1")).unwrap();
        assert_eq!(json, serde_json::json!({"verb": "wait", "what": "node gpu1"}));
    }
}
