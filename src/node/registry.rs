//! The registry that a node pulls from: its own, those of other nodes, or one that the site has.
//!
//! A registry of its own is the store (or the medium, in place) behind `airlock registry serve`, started by
//! systemd before anything needs an image. Nothing is renamed and nothing is loaded: containerd asks it under
//! the original names of the images.

pub mod authority;
pub mod certificates;
pub mod endpoint;
pub mod external;
pub mod fingerprint;
pub mod images;
pub mod introduction;
pub mod peer;
pub mod service;
pub mod store;
pub mod unit;

/// Where the registry of a node keeps its authority and its token.
pub const DIRECTORY: &str = "/var/lib/airlock/registry";

/// The store of a node.
pub const STORE: &str = "/var/lib/airlock/store";
