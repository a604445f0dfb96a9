//! A node: what it is ([`facts`]), whether it can become what it should ([`preflight`]), and how it becomes and
//! stays a member of a cluster.
//!
//! Everything that changes a node is a list of [`step`]s. A step knows how to compare the world with what should
//! be ([`Step::check`](step::Step::check)) and how to bring that about ([`Step::act`](step::Step::act)). A [`plan`]
//! is what all of them would change; the [`driver`] goes through them one after the other under the [`lock`] of the
//! node, checks again after every one, and writes into the [`journal`] what it is about to do, so that after a
//! kill or a power cut the next run finds the world as it is and goes on, and a reset finds everything that is
//! ours. No step trusts the journal about the world: whether something is done is seen in the world alone.
//!
//! ```text
//! /var/lib/airlock/journal        one JSON object a line: runs, steps, and what is ours  (journal)
//! /var/lib/airlock/lock           held by whoever changes the node; says who that is  (lock)
//! /var/lib/airlock/settings.json  what the operator wants of the node              (settings)
//! /var/lib/airlock/state.json     serials and times that the node has seen         (trust)
//! /var/lib/airlock/incoming/      blobs that come from another node, unfinished    (origin)
//! /var/lib/airlock/replaced/      files that were in the way, for the reset  (work)
//! ```

pub mod agent;
pub mod availability;
pub mod change;
pub mod disk_usage;
pub mod driver;
pub mod facts;
pub mod install;
pub mod invitation;
pub mod journal;
pub mod k3s;
pub mod later;
pub mod lock;
pub mod machine;
pub mod nfs;
pub mod nvidia;
pub mod origin;
pub mod owned;
pub mod packages;
pub mod plan;
pub mod preflight;
pub mod reach;
pub mod reboot;
pub mod receive;
pub mod recovery;
pub mod registry;
pub mod repair;
pub mod reset;
pub mod resource;
pub mod run;
pub mod settings;
pub mod status;
pub mod step;
pub mod trust;
pub mod verify;
pub mod work;

/// Where airlock keeps what belongs to this node.
pub const STATE_DIRECTORY: &str = "/var/lib/airlock";
/// What the first lines of every file that airlock writes outside its own directories contain, as a comment.
pub const MARKER: &str = "Written by airlock";
