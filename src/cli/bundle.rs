//! `airlock bundle`: make, check and use bundles.

pub mod build;
pub mod diff;
pub mod extract;
pub mod fetch_options;
pub mod inspect;
pub mod lock;
pub mod plan;
pub mod sign;
pub mod signing_options;
pub mod trust_options;
pub mod verify;
