//! Pushing to a store that lies over a bundle.
//!
//! Who pushes asks first which blobs are there, and is told of those of the bundle as well. The store does not
//! have them, so it gets them when a manifest needs them.

use std::sync::Arc;

use crate::error::{Result, codes};
use crate::oci::digest::ContentDigest;
use crate::registry::body::PIECE;
use crate::registry::service::Inner;
use crate::store::{RepositoryName, Store};

/// Does `put`; as often as it lacks blobs that the repository has elsewhere, copies them and tries again.
pub(super) fn while_missing<T>(
    inner: &Arc<Inner>,
    store: &Store,
    name: &RepositoryName,
    put: impl Fn() -> Result<T>,
) -> Result<T> {
    loop {
        let error = match put() {
            Err(error) if error.code() == codes::MANIFEST_BLOB_UNKNOWN => error,
            done => return done,
        };
        let missing = error.details().iter().filter_map(|digest| digest.parse().ok());
        let copied = missing.map(|digest| copy(inner, store, name, &digest));
        // One that is nowhere is reason enough to give up.
        if !copied.collect::<Result<Vec<bool>>>()?.contains(&true) {
            return Err(error);
        }
    }
}

/// Copies a blob into the store; whether there was one. It is checked on its way.
fn copy(inner: &Inner, store: &Store, name: &RepositoryName, digest: &ContentDigest) -> Result<bool> {
    let Some(blob) = inner.settings.content.blob_of(name, digest)? else { return Ok(false) };
    let length = blob.length();
    let mut stream = blob.stream(0..length);
    let mut upload = store.start_upload(name, digest.algorithm())?;
    let mut buffer = vec![0; PIECE];
    loop {
        match stream.next_bytes(&mut buffer) {
            Ok(0) => break,
            Ok(count) => upload.append(&buffer[..count])?,
            Err(error) => {
                upload.cancel()?;
                return Err(error);
            }
        }
    }
    upload.finish(digest)?;
    Ok(true)
}
