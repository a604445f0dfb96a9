//! `index.json`, the list of all tagged images as other tools want it in an image layout (OCI image-spec,
//! "index.json file"). It is written when bundles come and go, and never read: pushes do not touch it.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use serde::Serialize;

use super::content::Descriptor;
use super::directory::{self, MANIFESTS, TAGS};
use super::{RepositoryName, Store, files, lookup};
use crate::error::{Error, Result, codes};
use crate::oci::document::OCI_INDEX;

/// The name as skopeo and oras look for it, and as containerd does.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Store {
    /// Writes `index.json` anew.
    pub fn write_index(&self) -> Result<()> {
        let mut manifests = Vec::new();
        self.each_repository(&mut |name, repository| self.list(name, repository, &mut manifests))?;
        let index = Index { schema_version: 2, media_type: OCI_INDEX, manifests };
        let bytes = serde_json::to_vec(&index).map_err(|error| {
            Error::new(codes::INTERNAL, "the index of the store cannot be written").with_source(error)
        })?;
        let path = self.root().join("index.json");
        self.directory().write_durably(&path, &bytes).map_err(|error| files::failed(&path, error))
    }

    /// Gives up `index.json` for its space; it has to be written again.
    pub(super) fn remove_index(&self) -> Result<()> {
        let path = self.root().join("index.json");
        files::remove(&path).map(drop).map_err(|error| files::failed(&path, error))
    }

    fn list(&self, name: &RepositoryName, repository: &Path, found: &mut Vec<Descriptor>) -> Result<()> {
        let path = repository.join(TAGS);
        let mut tags = files::names(&path).map_err(|error| files::failed(&path, error))?;
        tags.sort_unstable();
        for tag in tags {
            let Some(digest) = lookup::read_tag(&path.join(&tag))? else { continue };
            let member = directory::member(repository, MANIFESTS, &digest);
            let size = fs::metadata(self.directory().blob(&digest)).map(|blob| blob.len());
            if let (Some(media_type), Ok(size)) = (lookup::read_text(&member)?, size) {
                let annotations = NAMES.map(|key| (key.to_owned(), format!("{name}:{tag}")));
                let annotations = BTreeMap::from(annotations);
                found.push(Descriptor { media_type, digest, size, artifact_type: None, annotations });
            }
        }
        Ok(())
    }
}
