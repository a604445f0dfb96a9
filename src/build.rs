//! From a spec to a bundle on a medium: resolve, plan, fetch, write, check, rename.

pub mod target;
