//! What is in the image layout, by repository: tags, members and referrers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use airlock::oci::digest::Digest;
use airlock::oci::reference::Reference;
use serde_json::{Value, json};

/// One repository: only what its tags reach belongs to it.
#[derive(Default)]
pub struct Repository {
    /// Tag to manifest.
    pub tags: BTreeMap<String, Digest>,
    /// Media type of everything that can be fetched: manifests, configurations, layers.
    pub members: BTreeMap<Digest, String>,
    /// Descriptors of the manifests whose `subject` is the key.
    pub referrers: BTreeMap<Digest, Vec<Value>>,
}

/// All repositories of a layout, by `host/repository`.
pub struct Catalogue {
    layout: PathBuf,
    repositories: BTreeMap<String, Repository>,
}

impl Catalogue {
    /// Reads the layout. Every named entry of `index.json` carries a full reference.
    pub fn load(layout: &Path) -> io::Result<Catalogue> {
        let mut catalogue = Catalogue { layout: layout.to_owned(), repositories: BTreeMap::new() };
        let index: Value = serde_json::from_slice(&fs_err::read(layout.join("index.json"))?)?;
        for descriptor in index["manifests"].as_array().into_iter().flatten() {
            let name = &descriptor["annotations"]["org.opencontainers.image.ref.name"];
            let Some(reference) = name.as_str().and_then(|name| name.parse::<Reference>().ok()) else {
                continue;
            };
            catalogue.add(&reference, descriptor)?;
        }
        Ok(catalogue)
    }

    /// The repository that a request means. `host` is the value of `?ns=`; without it the host is the
    /// first part of the path where that looks like one, and docker.io otherwise.
    pub fn repository(&self, host: Option<&str>, name: &str) -> Option<&Repository> {
        match host {
            Some(host) => self.repositories.get(&format!("{host}/{name}")),
            None => {
                self.repositories.get(name).or_else(|| self.repositories.get(&format!("docker.io/{name}")))
            }
        }
    }

    /// Where the bytes of a blob lie.
    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.layout.join("blobs/sha256").join(digest.hex())
    }

    fn add(&mut self, reference: &Reference, descriptor: &Value) -> io::Result<()> {
        let mut repository = self.repositories.remove(&reference.name()).unwrap_or_default();
        if let (Some(tag), Some(digest)) = (reference.tag(), digest_of(descriptor)) {
            repository.tags.insert(tag.to_owned(), digest);
        }
        self.walk(&mut repository, descriptor)?;
        self.repositories.insert(reference.name(), repository);
        Ok(())
    }

    // Children that the layout lacks are left out: an index may name platforms that nobody offers here.
    fn walk(&self, repository: &mut Repository, descriptor: &Value) -> io::Result<()> {
        let Some(digest) = digest_of(descriptor).filter(|digest| self.blob(*digest).exists()) else {
            return Ok(());
        };
        let media_type = descriptor["mediaType"].as_str().unwrap_or_default().to_owned();
        let is_manifest = media_type.contains("manifest") || media_type.contains("image.index");
        repository.members.insert(digest, media_type);
        if !is_manifest {
            return Ok(());
        }
        let manifest: Value = serde_json::from_slice(&fs_err::read(self.blob(digest))?)?;
        if let Some(subject) = digest_of(&manifest["subject"]) {
            repository.referrers.entry(subject).or_default().push(referrer(descriptor, &manifest));
        }
        let children = ["manifests", "layers"].into_iter().flat_map(|key| manifest[key].as_array());
        for child in children.flatten().chain([&manifest["config"]]) {
            self.walk(repository, child)?;
        }
        Ok(())
    }
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    descriptor["digest"].as_str()?.parse().ok()
}

// The artifact type falls back to that of the configuration (distribution-spec, "Listing Referrers").
fn referrer(descriptor: &Value, manifest: &Value) -> Value {
    let artifact_type = match &manifest["artifactType"] {
        Value::String(artifact_type) => artifact_type.as_str(),
        _ => manifest["config"]["mediaType"].as_str().unwrap_or_default(),
    };
    json!({
        "mediaType": descriptor["mediaType"],
        "digest": descriptor["digest"],
        "size": descriptor["size"],
        "artifactType": artifact_type,
        "annotations": manifest["annotations"],
    })
}
