//! Which repositories have a blob, and as what: the names under which a registry may have it as well.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::oci::digest::ContentDigest;
use crate::store::directory::{self, BLOBS, MANIFESTS};
use crate::store::verify::Damage;
use crate::store::{RepositoryName, Store};

/// Owners of one blob that are remembered. A layer that thousands of images share is in any of them.
const MOST_OWNERS: usize = 32;

/// A repository that has a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    /// Its name.
    pub(super) repository: RepositoryName,
    /// The blob is one of its manifests.
    pub(super) is_manifest: bool,
}

impl Store {
    /// The owners of everything that is damaged, found in one walk through all names.
    pub(super) fn owners(&self, damage: &[Damage]) -> Result<BTreeMap<ContentDigest, Vec<Owner>>> {
        let mut owners: BTreeMap<_, Vec<Owner>> =
            damage.iter().map(|damage| (damage.digest, Vec::new())).collect();
        self.each_repository(&mut |name, repository| {
            for (digest, found) in owners.iter_mut().filter(|(_, found)| found.len() < MOST_OWNERS) {
                let has = |kind| directory::member(repository, kind, digest).is_file();
                let is_manifest = has(MANIFESTS);
                if is_manifest || has(BLOBS) {
                    found.push(Owner { repository: name.clone(), is_manifest });
                }
            }
            Ok(())
        })?;
        Ok(owners)
    }
}
