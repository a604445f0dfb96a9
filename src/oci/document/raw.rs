//! The members of manifests and indexes as they stand in the JSON, and the checks each descriptor passes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{EntryPlatform, IndexEntry, MAX_BLOB, refused};
use crate::error::Result;

/// The members of every kind of document. Unknown ones are allowed, as the specification demands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) schema_version: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    pub(super) manifests: Option<Vec<Descriptor>>,
    pub(super) subject: Option<Descriptor>,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    /// Only in Docker's schema 1.
    fs_layers: Option<IgnoredAny>,
}

impl Document {
    pub(super) fn is_schema_1(&self) -> bool {
        self.schema_version == Some(1) || self.fs_layers.is_some()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: String,
    digest: String,
    size: i64,
    urls: Option<Vec<IgnoredAny>>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    /// Only in the entries of an index.
    platform: Option<Platform>,
}

impl Descriptor {
    pub(super) fn checked_entry(mut self) -> Result<IndexEntry> {
        let platform = self.platform.take().map(|written| EntryPlatform {
            os: written.os.unwrap_or_default(),
            architecture: written.architecture.unwrap_or_default(),
            variant: written.variant,
        });
        Ok(IndexEntry { descriptor: self.checked()?, platform })
    }

    pub(super) fn checked(self) -> Result<super::Descriptor> {
        let digest = self.digest.parse()?;
        let size = u64::try_from(self.size)
            .ok()
            .filter(|_| self.size <= MAX_BLOB)
            .ok_or_else(|| refused(format!("blob {digest} is said to have {} bytes", self.size)))?;
        if self.urls.is_some_and(|urls| !urls.is_empty()) || is_foreign(&self.media_type) {
            let reason = format!("blob {digest} is a foreign layer, which no registry hands out");
            return Err(refused(reason).with_help(
                "images with foreign layers (Windows base images) cannot be carried; name another image",
            ));
        }
        Ok(super::Descriptor {
            media_type: self.media_type,
            digest,
            size,
            artifact_type: self.artifact_type,
            annotations: self.annotations.unwrap_or_default(),
        })
    }
}

/// Layers that are to be taken from elsewhere (OCI image-spec, "Non-Distributable Layers").
fn is_foreign(media_type: &str) -> bool {
    media_type.contains(".nondistributable.") || media_type.contains(".foreign.")
}

#[derive(Deserialize)]
struct Platform {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}
