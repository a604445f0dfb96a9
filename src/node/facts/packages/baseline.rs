//! The packages in written facts, for whoever wants to know what a node has: the baseline of a target.

use std::path::Path;

use serde::Deserialize;

use super::{Stanza, status_text};
use crate::error::{Error, Result, codes};
use crate::node::facts::FORMAT;
use crate::quote::quote;

/// The part of facts that matters here. The rest may come from a newer airlock.
#[derive(Deserialize)]
struct Document {
    format: u64,
    packages: Listed,
}

#[derive(Deserialize)]
struct Listed {
    installed: Option<Vec<Stanza>>,
}

/// The status file of dpkg that follows from facts with a list of packages, as `airlock node facts --packages` writes
/// them. `shown` is their path, for messages.
///
/// # Errors
/// `E1004` if these are no facts, of a format that is not known, or without the list.
pub fn status_of(facts: &[u8], shown: &Path) -> Result<Vec<u8>> {
    let shown = quote(&shown.to_string_lossy());
    let again = "on the node run `airlock node facts --packages --output FILE` and take that file";
    let refused = |reason: String, help: &str| {
        Error::new(codes::FACTS_FORMAT, format!("{shown} {reason}")).with_help(help)
    };
    let document: Document = serde_json::from_slice(facts)
        .map_err(|error| refused("is JSON, but no facts of a node".to_owned(), again).with_source(error))?;
    if document.format != u64::from(FORMAT) {
        let reason = format!("is of format {}; known is {FORMAT}", document.format);
        return Err(refused(reason, "use a newer airlock here, or that of this version on the node"));
    }
    let installed = document.packages.installed;
    let installed =
        installed.ok_or_else(|| refused("does not list the packages of the node".to_owned(), again))?;
    Ok(status_text(&installed).into_bytes())
}
