//! The bundle: a signed manifest and blobs in one or several tar volumes. The format is described in
//! `bundle-spec/v1.md`; this module is its only reader and writer.

pub mod manifest;
