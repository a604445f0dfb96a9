//! Where artifacts come from. Every source resolves what the spec says into a lock entry, and turns a lock
//! entry into blobs that can be fetched.

pub mod apt;
pub mod archive;
pub mod file;
pub mod gather;
pub mod image;
pub mod k3s;
pub mod layout;
pub mod local;
pub mod nvidia;
pub mod secrets;
pub mod shelf;
