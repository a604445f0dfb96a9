//! Airlock carries a Kubernetes platform across an air gap.

pub mod bundle;
pub mod cli;
pub mod error;
pub mod oci;
pub mod progress;
pub mod secret;
pub mod spec;
pub mod trust;
pub mod ui;
