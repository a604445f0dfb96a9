//! The plain files of a bundle, each where its spec wants it.

use std::sync::Arc;

use crate::bundle::manifest::Artifact;
use crate::node::origin::Origin;
use crate::node::resource::{BlobFile, Resources};
use crate::node::step::names;

/// What lies below is carried for steps of our own, which take it from the bundle when they need it.
const OWN: &str = "/opt/airlock/";

/// The step that puts them in place; none where the bundle has none. A file that is there already is kept for a
/// reset.
pub(super) fn step(origin: &Arc<dyn Origin>) -> Option<Resources> {
    let mut step = Resources::new(names::FILES, "Put the files of the bundle in place");
    let mut is_empty = true;
    for artifact in &origin.manifest().artifacts {
        let Artifact::File(file) = artifact else { continue };
        // The manifest has been validated: a mode is four octal digits.
        let (Ok(mode), false) = (u32::from_str_radix(&file.mode, 8), file.path.starts_with(OWN)) else {
            continue;
        };
        let (path, origin) = (file.path.clone(), origin.clone());
        step = step.with(BlobFile { path, blob: file.blob, mode, origin });
        is_empty = false;
    }
    (!is_empty).then_some(step)
}
