//! Airlock carries a Kubernetes platform across an air gap.

pub mod build;
pub mod bundle;
pub mod cli;
pub mod debian;
pub mod error;
pub mod fetch;
pub mod lock;
pub mod oci;
pub mod progress;
pub mod quote;
pub mod secret;
pub mod source;
pub mod spec;
pub mod store;
pub mod trust;
pub mod ui;
