//! The registry that most sites run (Debian package `docker-registry`), with a password and a real disk.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use airlock::error::{Result, codes};
use airlock::fetch::docker_config::DockerConfig;
use airlock::fetch::{Client, CredentialSource, Credentials, Settings, download};
use airlock::oci::digest::Digest;
use airlock::oci::document::{self, Document};
use airlock::oci::registry::Registry;
use airlock::secret::Secret;

use crate::common::{Listener, Memory, content, expect, plain};

/// `user` with the password `hunter2`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "user:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct RealRegistry {
    process: Child,
    host: String,
    _directory: tempfile::TempDir,
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        // It has nothing worth an orderly end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl RealRegistry {
    /// None where the package is not installed.
    fn start() -> Option<RealRegistry> {
        let directory = tempfile::tempdir().unwrap();
        let configuration = directory.path().join("config.yml");
        fs_err::write(directory.path().join("htpasswd"), HTPASSWD).unwrap();
        fs_err::write(&configuration, configuration_in(directory.path())).unwrap();
        let started = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = match started {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return skipped(),
            Err(error) => panic!("{error}"),
        };
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log
            .by_ref()
            .find_map(|line| line.unwrap().split_once("listening on ").map(|(_, rest)| rest.to_owned()))
            .expect("the registry says where it listens");
        // Keeps the pipe open and empty, so that the registry can go on writing its log.
        std::thread::spawn(move || log.count());
        let host = address.split('"').next().unwrap().to_owned();
        Some(RealRegistry { process, host, _directory: directory })
    }

    async fn push(&self, path: &str, media_type: &str, bytes: &[u8]) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let base = format!("http://{}/v2/a/b", self.host);
        let url = if path.starts_with("manifests/") {
            format!("{base}/{path}")
        } else {
            let opened = client.post(format!("{base}/blobs/uploads/")).basic_auth("user", Some("hunter2"));
            let location = opened.send().await.unwrap().headers()["location"].to_str().unwrap().to_owned();
            format!("{location}&digest={}", Digest::of(bytes))
        };
        let pushed = client
            .put(url)
            .basic_auth("user", Some("hunter2"))
            .header("Content-Type", media_type)
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(pushed.status(), 201, "{}", pushed.text().await.unwrap());
    }
}

fn configuration_in(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "version: 0.1\nlog: {{level: info}}\n\
         storage: {{filesystem: {{rootdirectory: {directory}/data}}}}\n\
         http: {{addr: '127.0.0.1:0'}}\n\
         auth: {{htpasswd: {{realm: lab, path: {directory}/htpasswd}}}}\n"
    )
}

#[expect(clippy::print_stderr, reason = "a test that is left out must be seen")]
fn skipped() -> Option<RealRegistry> {
    eprintln!("SKIPPED: docker-registry is not installed (apt-get install docker-registry)");
    None
}

struct User(String);

impl CredentialSource for User {
    fn credentials(&self, host: &str, _repository: &str) -> Result<Option<Credentials>> {
        let password = Secret::new(self.0.clone());
        Ok((!host.is_empty()).then(|| Credentials::Password { username: "user".to_owned(), password }))
    }
}

fn client(registry: &RealRegistry, source: impl CredentialSource + 'static) -> Client {
    Client::new(Settings { credentials: Arc::new(source), ..plain(std::slice::from_ref(&registry.host)) })
}

#[tokio::test]
async fn an_image_is_fetched_from_a_real_registry() {
    let Some(server) = RealRegistry::start() else { return };
    let (config, layer) = (b"{}".as_slice(), content(500_000));
    server.push("", "application/octet-stream", config).await;
    server.push("", "application/octet-stream", &layer).await;
    let manifest = manifest_of(config, &layer);
    server.push("manifests/1", OCI_MANIFEST, manifest.as_bytes()).await;

    // auth.json as `podman login` writes it.
    let text = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"dXNlcjpodW50ZXIy\"}}}}}}", server.host);
    let client = client(&server, DockerConfig::parse(&text, "auth.json").unwrap());
    let registry = Registry::new(client.clone());
    let resolved = registry.resolve(&format!("{}/a/b:1", server.host).parse().unwrap()).await.unwrap();
    assert_eq!(
        (resolved.digest, resolved.media_type.as_str()),
        (Digest::of(manifest.as_bytes()), OCI_MANIFEST)
    );
    let bytes = registry.manifest(&server.host, "a/b", resolved.digest).await.unwrap();
    let Document::Image(image) = document::parse(&bytes, Some(&resolved.media_type)).unwrap() else {
        panic!("index")
    };
    assert_eq!(registry.referrers(&server.host, "a/b", resolved.digest).await.unwrap(), []);

    // Resumed by Range in the middle.
    let location = registry.blob(&server.host, "a/b", image.layers[0].digest).unwrap();
    let (mut sink, listener) = (Memory::with(&layer[..123_456]), Listener::new());
    download(&client, &location, Some(image.layers[0].size), 1 << 20, &mut sink, &*listener).await.unwrap();
    assert!(sink.bytes == layer && sink.restarts == 0);
    assert_eq!(listener.advanced(), 500_000 - 123_456);
}

fn manifest_of(config: &[u8], layer: &[u8]) -> String {
    let descriptor = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "digest": Digest::of(bytes).to_string(), "size": bytes.len()});
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
    .to_string()
}

#[tokio::test]
async fn a_real_registry_refuses_strangers_and_lacks_what_it_lacks() {
    let Some(server) = RealRegistry::start() else { return };
    let reference = format!("{}/a/b:1", server.host).parse().unwrap();
    let wrong = Registry::new(client(&server, User("wrong".to_owned())));
    expect("wrong", &wrong.resolve(&reference).await.unwrap_err(), codes::FETCH_UNAUTHORIZED, 8, "401");
    let right = Registry::new(client(&server, User("hunter2".to_owned())));
    expect("missing", &right.resolve(&reference).await.unwrap_err(), codes::FETCH_NOT_FOUND, 8, "404");
}
