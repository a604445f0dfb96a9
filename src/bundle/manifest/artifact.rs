//! What all kinds of artifacts have in common: a name, a size, blobs.

use std::collections::HashMap;

use super::{Artifact, Manifest};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::oci::reference::Reference;
use crate::quote::quote;

impl Artifact {
    /// The name by which users and messages mean this artifact, unique in its bundle: an image's full
    /// reference, a file's absolute path, `k3s:linux/amd64`, `installer:linux/amd64`, `apt:debian-12`.
    pub fn name(&self) -> String {
        match self {
            Artifact::Installer(installer) => format!("installer:{}", installer.platform),
            Artifact::K3s(k3s) => format!("k3s:{}", k3s.platform),
            Artifact::Image(image) => image.name.clone(),
            Artifact::File(file) => file.path.clone(),
            Artifact::Apt(apt) => format!("apt:{}", apt.name),
        }
    }

    /// The kind as the manifest writes it: `installer`, `k3s`, `image`, `file`, `apt`.
    pub fn kind(&self) -> &'static str {
        match self {
            Artifact::Installer(_) => "installer",
            Artifact::K3s(_) => "k3s",
            Artifact::Image(_) => "image",
            Artifact::File(_) => "file",
            Artifact::Apt(_) => "apt",
        }
    }

    /// Digests of all its blobs, each once.
    pub fn digests(&self) -> &[Digest] {
        match self {
            Artifact::Installer(installer) => std::slice::from_ref(&installer.blob.digest),
            Artifact::K3s(k3s) => std::slice::from_ref(&k3s.blob.digest),
            Artifact::Image(image) => &image.blobs,
            Artifact::File(file) => std::slice::from_ref(&file.blob.digest),
            Artifact::Apt(apt) => &apt.blobs,
        }
    }

    /// The platforms it is for; empty for a plain file, which is for all.
    pub fn platforms(&self) -> Vec<Platform> {
        match self {
            Artifact::Installer(installer) => vec![installer.platform],
            Artifact::K3s(k3s) => vec![k3s.platform],
            Artifact::Image(image) => image.platforms.iter().map(|entry| entry.platform).collect(),
            Artifact::File(_) => Vec::new(),
            Artifact::Apt(apt) => vec![apt.platform],
        }
    }
}

impl Manifest {
    /// The artifact a user means by `name`: its [`Artifact::name`], a short image reference such as
    /// `busybox:1.36`, the name of an apt target such as `debian-12`, or a kind such as `k3s` where the bundle
    /// has only one of it.
    ///
    /// # Errors
    /// [`codes::ARTIFACT_UNKNOWN`] if there is none, [`codes::ARTIFACT_AMBIGUOUS`] if a short name means several.
    pub fn find(&self, name: &str) -> Result<&Artifact> {
        if let Some(exact) = self.artifacts.iter().find(|artifact| artifact.name() == name) {
            return Ok(exact);
        }
        let completed = name.parse::<Reference>().map(|reference| reference.to_string()).ok();
        let is_short_for = |artifact: &&Artifact| match artifact {
            Artifact::Image(image) => completed.as_ref().is_some_and(|completed| image.name == *completed),
            Artifact::Apt(apt) => apt.name == name,
            _ => false,
        };
        let short: Vec<&Artifact> = self.artifacts.iter().filter(is_short_for).collect();
        let of_kind = || self.artifacts.iter().filter(|artifact| artifact.kind() == name).collect();
        let meant: Vec<&Artifact> = if short.is_empty() { of_kind() } else { short };
        match meant[..] {
            [artifact] => Ok(artifact),
            [] => Err(self.unknown(name)),
            _ => Err(ambiguous(name, &meant)),
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let similarity = |other: &str| strsim::jaro_winkler(name, other);
        let names = self.artifacts.iter().map(Artifact::name);
        let nearest = names.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        let message = format!("the bundle has no artifact `{}`", quote(name));
        let help = match nearest.filter(|nearest| similarity(nearest) > 0.7) {
            Some(nearest) => format!("did you mean `{}`?", quote(&nearest)),
            None => "`airlock bundle inspect` lists the names of all artifacts".to_owned(),
        };
        Error::new(codes::ARTIFACT_UNKNOWN, message).with_help(help)
    }

    /// Which artifacts need each blob, as indices into `artifacts`.
    pub fn users(&self) -> HashMap<Digest, Vec<usize>> {
        let mut users = HashMap::<Digest, Vec<usize>>::new();
        for (index, artifact) in self.artifacts.iter().enumerate() {
            for digest in artifact.digests() {
                users.entry(*digest).or_default().push(index);
            }
        }
        users
    }

    /// Sum of the sizes of all blobs, in bytes.
    pub fn total_size(&self) -> u64 {
        self.blobs.iter().fold(0, |sum, blob| sum.saturating_add(blob.size))
    }
}

fn ambiguous(name: &str, meant: &[&Artifact]) -> Error {
    let names: Vec<String> = meant.iter().map(|artifact| format!("`{}`", quote(&artifact.name()))).collect();
    let message = format!("`{}` means {} artifacts of the bundle", quote(name), meant.len());
    Error::new(codes::ARTIFACT_AMBIGUOUS, message).with_help(format!("name one of {}", names.join(", ")))
}
