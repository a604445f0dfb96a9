//! The names and documents of the Open Container Initiative: digests, platforms, references, manifests,
//! and the client side of the distribution API.

pub mod digest;
pub mod document;
pub mod platform;
pub mod reference;
pub mod registry;
