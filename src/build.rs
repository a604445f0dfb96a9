//! From a spec to a bundle on a medium: resolve, plan, fetch, write, check, rename.

pub mod board;
pub mod existing;
pub mod installer;
pub mod medium;
pub mod output;
pub mod plan;
pub mod resolve;
pub mod sidecar;
pub mod target;
pub mod volumes;
