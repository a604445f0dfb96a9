//! Pulls images as containerd does, as far as a registry can tell: every document and every layer is fetched and
//! checked. The bytes of layers are not kept, since nothing runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use airlock::oci::digest::Digest;
use airlock::oci::reference::Reference;
use fs_err as fs;
use reqwest::{Client, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::paths::write;
use super::registries::{Endpoint, Registries};
use super::settings::Settings;
use super::{Result, go_errors};

/// What a manifest may be.
const DOCUMENTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, */*";
/// How long a registry may take to begin its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An image that was pulled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Digest of what the name stands for.
    pub digest: String,
    /// Bytes of its layers.
    pub size: u64,
}

/// The images of one node.
pub struct Images {
    list: PathBuf,
    registries: Registries,
    default_is_disabled: bool,
}

impl Images {
    /// Those of the node with these settings.
    pub fn of_node(settings: &Settings) -> Result<Images> {
        Ok(Images {
            list: settings.paths.agent("containerd/stand-in-images.json"),
            registries: Registries::read(&settings.registries())?,
            default_is_disabled: settings.is_on("disable-default-registry-endpoint"),
        })
    }

    /// All that were pulled, by their full names.
    pub fn all(&self) -> Result<BTreeMap<String, Image>> {
        if !self.list.exists() {
            return Ok(BTreeMap::new());
        }
        Ok(serde_json::from_slice(&fs::read(&self.list)?)?)
    }

    /// The image, from here or from a registry.
    pub async fn ensure(&self, name: &str) -> Result<Image> {
        match self.all()?.remove(&full_name(name)?) {
            Some(image) => Ok(image),
            None => self.pull(name).await,
        }
    }

    /// Pulls an image, whether it is here or not. The error is that of containerd.
    pub async fn pull(&self, name: &str) -> Result<Image> {
        let full = full_name(name)?;
        let reference: Reference = full.parse()?;
        let mut last = String::new();
        for endpoint in self.registries.endpoints(reference.host(), self.default_is_disabled) {
            match Puller::new(&endpoint, &reference)?.pull().await {
                Ok(image) => {
                    let mut images = self.all()?;
                    images.insert(full, image.clone());
                    write(&self.list, &serde_json::to_vec_pretty(&images)?, 0o600)?;
                    return Ok(image);
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(format!("failed to pull and unpack image \"{full}\": failed to resolve image: {last}").into())
    }
}

/// As containerd names it.
fn full_name(name: &str) -> Result<String> {
    Ok(name.parse::<Reference>()?.to_string())
}

/// Whom the machine believes (Go, `crypto/x509/root_linux.go`).
fn of_the_machine() -> Result<Vec<reqwest::Certificate>> {
    match fs::read("/etc/ssl/certs/ca-certificates.crt") {
        Ok(pem) => Ok(reqwest::Certificate::from_pem_bundle(&pem)?),
        Err(_) => Ok(Vec::new()),
    }
}

/// One image at one endpoint.
struct Puller<'a> {
    endpoint: &'a Endpoint,
    reference: &'a Reference,
    client: Client,
}

impl<'a> Puller<'a> {
    fn new(endpoint: &'a Endpoint, reference: &'a Reference) -> Result<Puller<'a>> {
        let mut builder = Client::builder().connect_timeout(PATIENCE).read_timeout(PATIENCE).no_proxy();
        builder = match &endpoint.tls.ca_file {
            Some(file) => builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&fs::read(file)?)?),
            None => builder.tls_certs_only(of_the_machine()?),
        };
        builder = builder.tls_danger_accept_invalid_certs(endpoint.tls.insecure_skip_verify);
        Ok(Puller { endpoint, reference, client: builder.build()? })
    }

    async fn pull(&self) -> Result<Image> {
        let version = self.reference.digest().map(|digest| digest.to_string());
        let version = version.as_deref().or(self.reference.tag()).unwrap_or("latest");
        let (digest, document) = self.document(version).await?;
        let manifest = match platform_manifest(&document) {
            Some(digest) => self.document(digest).await?.1,
            None => document,
        };
        let layers = manifest["layers"].as_array().into_iter().flatten();
        let mut size = 0;
        for blob in layers.chain([&manifest["config"]]) {
            size += self.blob(blob["digest"].as_str().unwrap_or_default()).await?;
        }
        Ok(Image { digest, size })
    }

    async fn document(&self, version: &str) -> Result<(String, Value)> {
        let bytes = self.get(&format!("manifests/{version}")).await?.bytes().await?;
        let digest = Digest::of(&bytes).to_string();
        if version.contains(':') && version != digest {
            return Err(format!(
                "failed commit on ref \"manifest-{version}\": unexpected commit digest {digest}"
            )
            .into());
        }
        Ok((digest, serde_json::from_slice(&bytes)?))
    }

    async fn blob(&self, digest: &str) -> Result<u64> {
        let mut answer = self.get(&format!("blobs/{digest}")).await?;
        let (mut hasher, mut size) = (Sha256::new(), 0);
        while let Some(chunk) = answer.chunk().await? {
            hasher.update(&chunk);
            size += chunk.len() as u64;
        }
        let found: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        if digest != format!("sha256:{found}") {
            let message =
                format!("failed commit on ref \"layer-{digest}\": unexpected commit digest sha256:{found}");
            return Err(message.into());
        }
        Ok(size)
    }

    async fn get(&self, path: &str) -> Result<Response> {
        let mut url = format!("{}/{}/{path}", self.endpoint.url, self.reference.repository());
        if self.endpoint.is_mirror {
            url += &format!("?ns={}", self.reference.host());
        }
        let mut request = self.client.get(&url).header(header::ACCEPT, DOCUMENTS);
        if let Some(user) = &self.endpoint.auth.username {
            request = request.basic_auth(user, self.endpoint.auth.password.as_ref());
        }
        let sent = request.send().await;
        let answer = sent.map_err(|error| {
            format!("failed to do request: {}", go_errors::describe("Head", &url, &error))
        })?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            StatusCode::NOT_FOUND => Err(format!("{}: not found", self.reference).into()),
            status => Err(format!("unexpected status from HEAD request to {url}: {status}").into()),
        }
    }
}

/// The manifest for this machine in an index. `None` if the document is no index.
fn platform_manifest(document: &Value) -> Option<&str> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let entries = document["manifests"].as_array()?;
    let fits = |entry: &&Value| entry["platform"]["architecture"] == architecture;
    entries.iter().find(fits).or(entries.first())?["digest"].as_str()
}
