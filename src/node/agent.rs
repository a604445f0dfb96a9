//! What goes over the connection between `airlock cluster` and `airlock node agent`: its protocol.
//!
//! The agent runs as root at the other end of an SSH connection, for one command. First it says [`Hello`]. Then it reads
//! one line, a [`Request`]; whatever follows on its standard input is the standard input of the command. It answers with
//! lines, a [`Frame`] each: what the command writes, a sign of life every [`ALIVE`] while it writes nothing, at last how
//! it ended. When its own input and output are gone, it ends the command with SIGTERM.
//!
//! The format is described in `bundle-spec/agent.md`.

pub mod directory;
mod files;
pub mod lines;
mod running;
pub mod serve;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often the agent says that it is alive.
pub const ALIVE: Duration = Duration::from_secs(5);
/// The version of the protocol.
pub const VERSION: u32 = 1;
/// Longest request, in bytes.
pub const MAX_REQUEST: usize = 16 * 1024 * 1024;
/// Longest line of the agent, in bytes. Those of hosts that say anything else are not kept any longer.
pub const MAX_FRAME: usize = 1024 * 1024;
/// Longest piece of a line that a frame holds, in bytes. Written in JSON it is at most six times as long.
pub const MAX_PIECE: usize = 64 * 1024;

/// The first line of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    #[serde(rename = "airlockAgent")]
    pub version: u32,
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Which program.
    pub program: Program,
    /// Its arguments, without its name. No secret is among them.
    pub arguments: Vec<String>,
    /// Files that it needs, by name; no secret is in them. An argument `{NAME}` becomes the path of the file; they are
    /// gone when the command ends.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// A program that the agent runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Program {
    /// The program of the agent itself; it gets `--json`.
    Airlock,
    /// The k3s of the node.
    K3s,
}

/// A line of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Frame {
    /// What the command has written to standard output, at most one line with its line break. Longer lines come in
    /// pieces of [`MAX_PIECE`]; joined as they come, they are what was written.
    Output(String),
    /// A line that it has written to standard error, without its line break; an event or error in JSON if it is
    /// `airlock`. Longer lines are cut into several.
    Error(String),
    /// Nothing has happened, and it still runs.
    Alive,
    /// It has ended with this status; 128 and its number after a signal.
    Exit(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What both sides have said since version 1, and will understand for ever.
    const GOLDEN: &str = include_str!("../../bundle-spec/golden/agent/frames.jsonl");

    fn golden<T: for<'a> Deserialize<'a> + Serialize>(line: &str) -> T {
        let value: T = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(serde_json::to_string(&value).unwrap(), line);
        value
    }

    #[test]
    fn golden_lines_are_read_and_written_alike() {
        let (hello, rest) = GOLDEN.split_once('\n').unwrap();
        assert_eq!(golden::<Hello>(hello).version, VERSION);
        let (request, frames) = rest.split_once('\n').unwrap();
        assert_eq!(golden::<Request>(request).files.len(), 1);
        let frames: Vec<Frame> = frames.lines().map(golden).collect();
        let kinds = [
            Frame::Error("{\"event\":\"note\"}".to_owned()),
            Frame::Alive,
            Frame::Output("grün\n".to_owned()),
            Frame::Exit(143),
        ];
        assert_eq!(frames, kinds);
    }

    #[test]
    fn a_request_with_an_unknown_field_is_not_obeyed_in_part() {
        let request = r#"{"program":"airlock","arguments":[],"environment":{"A":"b"}}"#;
        assert!(serde_json::from_str::<Request>(request).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"program":"sh","arguments":[]}"#).is_err());
    }
}
