//! What a pushed manifest mentions. A registry accepts manifests of every kind and never changes them, so
//! this reads less strictly than [`crate::oci::document`]: only what is needed to keep their content.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::content::Descriptor;
use crate::error::{Error, Result, codes};
use crate::oci::digest::ContentDigest;
use crate::oci::document::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

/// Most bytes of a manifest that is accepted (distribution-spec, "Pushing Manifests": at least 4 MiB).
pub(super) const MAX_SIZE: u64 = crate::oci::document::MAX_SIZE;

/// Most descriptors in one manifest.
const MAX_DESCRIPTORS: usize = 10_000;

/// Whether content of this media type is known to be a manifest or an index.
pub(super) fn is_manifest(media_type: &str) -> bool {
    [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&media_type)
}

/// What a manifest mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    /// Configuration and layers, which the repository must have.
    pub(super) blobs: Vec<ContentDigest>,
    /// Layers that no registry may hand out, and manifests of an index, some of which may be left out.
    pub(super) optional: Vec<Child>,
    /// The manifest it refers to.
    pub(super) subject: Option<ContentDigest>,
    /// What kind of artifact it is.
    pub(super) artifact_type: Option<String>,
    /// Its annotations.
    pub(super) annotations: BTreeMap<String, String>,
}

/// Content that need not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    pub(super) digest: ContentDigest,
    pub(super) media_type: String,
}

impl Document {
    /// Reads the bytes of a manifest. One of an unknown media type may be anything.
    ///
    /// # Errors
    /// [`codes::MANIFEST_INVALID`] if it is too large, not what its media type says, or of two kinds at once
    /// (GHSA-qq97-vm5h-rrhg, GHSA-77vh-xpmg-72qh).
    pub(super) fn parse(bytes: &[u8], media_type: &str) -> Result<Document> {
        if bytes.len() as u64 > MAX_SIZE {
            return Err(invalid(format!("it has {} bytes, more than {MAX_SIZE}", bytes.len())));
        }
        let known = is_manifest(media_type);
        match serde_json::from_slice::<Raw>(bytes) {
            Ok(raw) => raw.checked(media_type, known),
            Err(_) if !known => Ok(Document::default()),
            Err(error) => Err(invalid(format!("it is not the JSON of a manifest: {error}"))),
        }
    }

    /// Digests of everything that it needs or mentions, except for its subject.
    pub(super) fn children(&self) -> impl Iterator<Item = ContentDigest> {
        self.blobs.iter().copied().chain(self.optional.iter().map(|child| child.digest))
    }

    /// The descriptor under which its subject lists it.
    pub(super) fn descriptor(&self, digest: ContentDigest, size: u64, media_type: &str) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: self.artifact_type.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    media_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Vec<RawDescriptor>>,
    /// Of the artifact manifest that OCI gave up; some registries still hold such.
    blobs: Option<Vec<RawDescriptor>>,
    manifests: Option<Vec<RawDescriptor>>,
    subject: Option<RawDescriptor>,
    artifact_type: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: String,
    digest: ContentDigest,
    urls: Option<Vec<IgnoredAny>>,
}

impl Raw {
    fn checked(self, media_type: &str, known: bool) -> Result<Document> {
        if let Some(own) = self.media_type.as_deref().filter(|own| known && *own != media_type) {
            return Err(invalid(format!("it says to be `{}`", crate::quote::quote(own))));
        }
        if self.manifests.is_some() && (self.layers.is_some() || self.config.is_some()) {
            return Err(invalid("it is an image and an index at once".to_owned()));
        }
        let wanted = match media_type {
            OCI_INDEX | DOCKER_LIST => self.manifests.is_some(),
            OCI_MANIFEST | DOCKER_MANIFEST => self.config.is_some() && self.layers.is_some(),
            _ => true,
        };
        if !wanted {
            return Err(invalid(format!("it lacks what every `{media_type}` has")));
        }
        self.sorted(media_type)
    }

    fn sorted(self, media_type: &str) -> Result<Document> {
        // The default artifact type of an image (distribution-spec, "Listing Referrers").
        let config_type = self.config.as_ref().map(|config| config.media_type.clone());
        let config_type = config_type.filter(|_| media_type == OCI_MANIFEST);
        let lists = [self.config.map(|config| vec![config]), self.layers, self.blobs];
        let (foreign, own): (Vec<_>, Vec<_>) =
            lists.into_iter().flatten().flatten().partition(RawDescriptor::is_foreign);
        let optional = foreign.into_iter().chain(self.manifests.into_iter().flatten());
        let document = Document {
            blobs: own.into_iter().map(|descriptor| descriptor.digest).collect(),
            optional: optional.map(RawDescriptor::child).collect(),
            subject: self.subject.map(|subject| subject.digest),
            artifact_type: self.artifact_type.or(config_type),
            annotations: self.annotations.unwrap_or_default(),
        };
        match document.children().count() {
            0..=MAX_DESCRIPTORS => Ok(document),
            count => Err(invalid(format!("it mentions {count} other things, more than {MAX_DESCRIPTORS}"))),
        }
    }
}

impl RawDescriptor {
    /// Whether it is to be taken from elsewhere (OCI image-spec, "Non-Distributable Layers").
    fn is_foreign(&self) -> bool {
        let has_urls = self.urls.as_ref().is_some_and(|urls| !urls.is_empty());
        has_urls || self.media_type.contains(".nondistributable.") || self.media_type.contains(".foreign.")
    }

    fn child(self) -> Child {
        Child { digest: self.digest, media_type: self.media_type }
    }
}

fn invalid(reason: String) -> Error {
    Error::new(codes::MANIFEST_INVALID, format!("the manifest is refused: {reason}"))
        .with_help("push the image again with a current tool")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn descriptor(media_type: &str, digest: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":1}}"#)
    }

    #[test]
    fn an_image_needs_its_layers_unless_they_are_foreign() {
        let foreign = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar", B);
        let config = descriptor("application/vnd.example+json", A);
        let text =
            format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{foreign}],"subject":{config}}}"#);
        let document = Document::parse(text.as_bytes(), OCI_MANIFEST).unwrap();
        assert_eq!(document.blobs, [A.parse().unwrap()]);
        assert_eq!(document.optional.len(), 1);
        assert_eq!(document.subject, Some(A.parse().unwrap()));
        assert_eq!(document.artifact_type.as_deref(), Some("application/vnd.example+json"));
    }

    #[test]
    fn contradictions_are_refused() {
        let (one, index) = (descriptor("x/y", A), r#""manifests":[]"#);
        for (text, media_type) in [
            (format!(r#"{{"config":{one},"layers":[],{index}}}"#), OCI_MANIFEST),
            (format!(r#"{{"config":{one},"layers":[],{index}}}"#), "application/json"),
            (format!(r#"{{"mediaType":"{OCI_INDEX}","config":{one},"layers":[]}}"#), OCI_MANIFEST),
            (format!("{{{index}}}"), OCI_MANIFEST),
            (format!(r#"{{"config":{one},"layers":[]}}"#), OCI_INDEX),
            (format!(r#"{{"config":{},"layers":[]}}"#, descriptor("x/y", "sha256:../..")), OCI_MANIFEST),
            ("not json".to_owned(), DOCKER_MANIFEST),
            (" ".repeat(MAX_SIZE as usize + 1), "text/plain"),
        ] {
            let error = Document::parse(text.as_bytes(), media_type).expect_err(&text);
            assert_eq!(error.code(), codes::MANIFEST_INVALID);
        }
        assert_eq!(Document::parse(b"anything", "text/plain").unwrap(), Document::default());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = Document::parse(&bytes, OCI_MANIFEST);
        }
    }
}
