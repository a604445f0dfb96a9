//! Many nodes from one inventory, over SSH.
//!
//! Nothing is done on a node by this module itself: a node is changed by the ordinary commands of the program that was
//! copied there, `airlock install`, `airlock node …`, and by `k3s`. They are started by `airlock node agent`, which takes
//! its words as JSON and streams back what they say ([`remote`], [`crate::node::agent`]). So an administrator at the rack
//! can do by hand whatever is done here, and no word of an inventory ever comes near a shell.
//!
//! ```text
//! inventory ─► fleet of hosts ─► survey (facts, preflight, who reaches whom) ─► plan, pure ─► carried out host by host
//! ```

pub mod address;
pub mod deploy;
pub mod fleet;
pub mod hearsay;
pub mod installation;
pub mod inventory;
pub mod local;
pub mod log;
pub mod matrix;
pub mod observe;
pub mod operation;
pub mod order;
pub mod pause;
pub mod ping;
pub mod plan;
pub mod remote;
pub mod report;
pub mod ssh;
pub mod survey;
pub mod transfer;
pub mod trouble;
pub mod turn;
pub mod wanted;
