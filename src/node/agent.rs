//! What goes over the connection between `airlock cluster` and `airlock node agent`: its protocol.
//!
//! The agent runs as root at the other end of an SSH connection, for one command. First it says [`Hello`]. Then it reads
//! one line, a [`Request`]; whatever follows on its standard input is the standard input of the command. It answers with
//! lines, a [`Frame`] each: what the command writes, a sign of life every [`ALIVE`] while it writes nothing, at last how
//! it ended. When its own input and output are gone, it ends the command with SIGTERM.
//!
//! The format is described in `bundle-spec/agent.md`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often the agent says that it is alive.
pub const ALIVE: Duration = Duration::from_secs(5);
/// The version of the protocol.
pub const VERSION: u32 = 1;
/// Longest line of either side, in bytes.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

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
    /// A line that the command has written to standard output.
    Output(String),
    /// A line that it has written to standard error; an event or error in JSON if it is `airlock`.
    Error(String),
    /// Nothing has happened, and it still runs.
    Alive,
    /// It has ended with this status; 128 and its number after a signal.
    Exit(u8),
}
