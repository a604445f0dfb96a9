//! From a spec to a bundle on a medium: resolve, plan, fetch, write, check, rename.

pub mod board;
pub mod medium;
pub mod resolve;
pub mod sidecar;
pub mod target;
