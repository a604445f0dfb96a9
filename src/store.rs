//! Content-addressed blobs on disk.

pub mod cache;
pub mod partial;
