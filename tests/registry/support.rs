//! A registry in this process on a free port, and a client that hides nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use airlock::oci::digest::{Algorithm, ContentDigest, Digest};
use airlock::progress::{Event, Progress};
use airlock::registry::access::Access;
use airlock::registry::bundles::Shelf;
use airlock::registry::deadline::Deadlines;
use airlock::registry::limits::Limits;
use airlock::registry::listener::Listener;
use airlock::registry::{Registry, Settings, server, upstream};
use airlock::secret::Secret;
use airlock::store::Store;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// The only token.
pub const TOKEN: &str = "token-of-the-tests-0123456789";

/// What is to be different from the usual.
pub struct Options {
    /// Everybody may do everything: only the tests do that, over the unix socket.
    pub anonymous_pull: bool,
    pub allow_delete: bool,
    pub deadlines: Deadlines,
    pub limits: Limits,
    pub upload_limit: Option<u64>,
    pub store: Option<PathBuf>,
    pub upstream: Option<upstream::Settings>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            anonymous_pull: true,
            allow_delete: true,
            deadlines: Deadlines::default(),
            limits: Limits::default(),
            upload_limit: None,
            store: None,
            upstream: None,
        }
    }
}

/// Lines that the server has said.
#[derive(Clone, Default)]
pub struct Heard(Arc<Mutex<Vec<String>>>);

impl Progress for Heard {
    fn event(&self, event: Event<'_>) {
        let line = match event {
            Event::Warning { text } => format!("warning: {text}"),
            Event::Served(served) => served.to_string(),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Heard {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits until a line with `part` is said.
    pub fn wait_for(&self, part: &str) -> String {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(line) = self.lines().into_iter().find(|line| line.contains(part)) {
                return line;
            }
            assert!(std::time::Instant::now() < deadline, "`{part}` is not in {:?}", self.lines());
            std::thread::yield_now();
        }
    }
}

/// A running registry.
pub struct Server {
    pub address: SocketAddr,
    pub store: Store,
    pub heard: Heard,
    directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<()>>,
    runtime: Option<Runtime>,
}

impl Server {
    pub fn start() -> Server {
        Server::with(Options::default())
    }

    pub fn with(options: Options) -> Server {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::create(&options.store.unwrap_or_else(|| directory.path().join("store"))).unwrap();
        if let Some(limit) = options.upload_limit {
            store.limit_uploads(limit);
        }
        let heard = Heard::default();
        let registry = Registry::new(Settings {
            content: Arc::new(store.clone()),
            store: Some(store.clone()),
            bundles: Shelf::new(&[], Some(store.clone())),
            upstream: options.upstream,
            access: Access::new(&[Secret::new(TOKEN.to_owned())], options.anonymous_pull).unwrap(),
            allow_delete: options.allow_delete,
            deadlines: options.deadlines,
            progress: Arc::new(heard.clone()),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listeners = {
            let _inside = runtime.enter();
            let unix = Listener::unix(&directory.path().join("socket"), 0o600).unwrap();
            vec![Listener::tcp(([127, 0, 0, 1], 0).into(), None).unwrap(), unix]
        };
        let address = listeners[0].address().strip_prefix("http://").unwrap().parse().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let served = runtime.spawn(server::serve(registry, listeners, options.limits, stopped));
        let (stop, served, runtime) = (Some(stop), Some(served), Some(runtime));
        Server { address, store, heard, directory, stop, served, runtime }
    }

    /// Tells it to stop; the result waits until it has.
    pub fn stop(&mut self) -> impl FnOnce() + use<> {
        self.stop.take().unwrap().send(()).unwrap();
        let (served, runtime) = (self.served.take().unwrap(), self.runtime.take().unwrap());
        move || runtime.block_on(served).unwrap()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// One request on its own connection. `headers` come after those that every request needs.
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut stream = self.connect();
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A server that refuses need not take the body.
        let _ = stream.write_all(body);
        Answer::read(stream)
    }

    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"")
    }

    /// A request by somebody who may do everything.
    pub fn privileged(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let authorization = format!("Bearer {TOKEN}");
        let headers = [&[("Authorization", authorization.as_str())], headers].concat();
        self.ask(method, target, &headers, body)
    }

    /// Pushes a blob and returns its digest.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        let target = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        assert_eq!(self.privileged("POST", &with_ns(repository, &target), &[], bytes).status, 201);
        digest
    }

    pub fn push_manifest(&self, repository: &str, reference: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        let media_type = manifest["mediaType"].as_str().unwrap();
        let target = with_ns(repository, &format!("/v2/{repository}/manifests/{reference}"));
        let answer = self.privileged("PUT", &target, &[("Content-Type", media_type)], &bytes);
        assert_eq!(answer.status, 201, "{}", answer.text());
        Digest::of(&bytes).to_string()
    }

    /// Pushes an image with one layer; returns the digest of its manifest.
    pub fn push_image(&self, repository: &str, reference: &str, layer: &[u8]) -> String {
        self.push_blob(repository, b"{}");
        self.push_blob(repository, layer);
        self.push_manifest(repository, reference, &image(layer))
    }
}

/// `host!path` in tests means the path with the parameter `ns`.
fn with_ns(repository: &str, target: &str) -> String {
    match repository.split_once('!') {
        None => target.to_owned(),
        Some((host, path)) => {
            let target = target.replace(repository, path);
            let mark = if target.contains('?') { '&' } else { '?' };
            format!("{target}{mark}ns={host}")
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An image manifest with one layer and an empty configuration.
pub fn image(layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
}

pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

pub fn sha512(bytes: &[u8]) -> String {
    ContentDigest::of(Algorithm::Sha512, bytes).to_string()
}

/// An answer, as it came.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads until the server closes the connection.
    pub fn read(mut stream: impl Read) -> Answer {
        let mut bytes = Vec::new();
        // A connection that breaks off shows as a body that is too short.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer but {:?}", String::from_utf8_lossy(&bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let body = bytes[end + 4..].to_vec();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status and the code of the first error.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["errors"][0]["code"].as_str().unwrap().to_owned())
    }
}
