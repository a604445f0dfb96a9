//! k3s on a node, installed natively: program, configuration, unit; started, waited for, and looked at from the
//! inside. Nothing of upstream's `install.sh` is run.
//!
//! Paths, options and unit settings are those of k3s 1.34 to 1.36.

pub mod config;
pub mod failure;
pub mod files;
pub mod kubectl;
pub mod paths;
pub mod readiness;
pub mod registries;
pub mod smoke;
pub mod start;
pub mod token;
pub mod unit;
