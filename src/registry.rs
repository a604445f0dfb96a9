//! The registry of a node: serves a [`store`](crate::store) or a bundle as it lies, to containerd, k3s, apt and
//! other nodes, and takes pushes. It speaks the OCI distribution specification 1.1, all four categories.
//!
//! A request is understood by [`route`], pure and checked against the grammar; [`service`] asks [`access`]
//! whether its sender may do that, and hands it to the module that does: `pull`, `push`, `discover`, `manage`,
//! [`bundles`]. Handlers run where they may wait for the disk, and end in an answer or a [`refusal`]. Bytes of
//! blobs leave through one function, `pull::send`, and are hashed on their way: who is sent a damaged blob
//! never gets the end of it. Of who wants a part, [`check`] reads the whole beside it; [`scrub`] reads what nobody
//! has asked for yet, in the background.
//!
//! What the store lacks can be asked of an [`upstream`], if there is one.
//!
//! [`server`] accepts connections at every [`listener`], within [`limits`] and [`deadline`]s.

pub mod access;
mod activity;
mod answer;
pub mod body;
pub mod bundles;
mod challenge;
mod check;
pub mod client;
pub mod deadline;
pub mod direct;
mod discover;
mod failure;
mod level;
pub mod limits;
pub mod listener;
mod lookup;
mod manage;
pub mod metrics;
mod pull;
mod push;
pub mod range;
pub mod refusal;
pub mod route;
pub mod scrub;
pub mod server;
pub mod service;
pub mod tls;
pub mod upstream;

pub use service::{Registry, Settings};
