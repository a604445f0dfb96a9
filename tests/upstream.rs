//! Fetching from servers as they are in the field, over real sockets on this machine. Rows 77-90 and 102-107
//! of the list of bad inputs, each with its error code, exit status and message.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "upstream/common.rs"]
mod common;
#[path = "support/misbehaving.rs"]
mod misbehaving;

#[path = "upstream/authentication.rs"]
mod authentication;
#[path = "upstream/distribution.rs"]
mod distribution;
#[path = "upstream/documents.rs"]
mod documents;
#[path = "upstream/downloads.rs"]
mod downloads;
#[path = "upstream/proxies.rs"]
mod proxies;
#[path = "upstream/registries.rs"]
mod registries;
#[path = "upstream/tls.rs"]
mod tls;
