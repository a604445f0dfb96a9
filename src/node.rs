//! One node of a cluster: what it is ([`facts`]), and whether it can become what it should ([`preflight`]).

pub mod facts;
pub mod preflight;

/// Where airlock keeps what belongs to this node.
pub const STATE_DIRECTORY: &str = "/var/lib/airlock";
/// The record of what was done to this node; where it exists, an installation of ours has begun.
pub const JOURNAL: &str = "/var/lib/airlock/journal";
/// What the first lines of every file that airlock writes outside its own directories contain, as a comment.
pub const MARKER: &str = "Written by airlock";
