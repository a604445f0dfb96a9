//! A small honest upstream for tests and the quickstart: registry, k3s releases, plain files.
//!
//! Everything is read from one data directory at every request, so a test may change it at any time:
//!
//! | path | content |
//! |---|---|
//! | `layout/` | OCI image layout; each named entry of `index.json` carries a full reference |
//! | `files/` | served under the path they have here, such as `k3s-io/k3s/releases/download/<tag>/<asset>` |
//! | `channels/<name>` | the k3s tag that this channel points to |
//!
//! `/_stats` tells what was asked and sent, `POST /_stats/reset` starts counting anew.
#![allow(dead_code, reason = "every test that includes this module uses a part of it")]

mod answer;
mod catalogue;
mod content;
mod files;
mod range;
mod registry;
pub mod stats;
mod token;
pub mod transfer;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use tokio::runtime::{Builder, Runtime};

use catalogue::Catalogue;
use content::Asked;
use registry::Route;
use stats::{Snapshot, Stats};
use token::Tokens;
use transfer::Pace;

/// What to serve and how.
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The directory described above.
    pub data: PathBuf,
    /// `name:password` of the only user; without it everybody may read.
    pub credentials: Option<String>,
    /// Speed and cuts.
    pub pace: Pace,
}

impl Options {
    /// Serves `data` to everybody, on a free port of the loopback interface.
    pub fn new(data: &Path) -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data: data.to_owned(),
            credentials: None,
            pace: Pace::default(),
        }
    }
}

/// A running server; dropping it stops it at once. Usable from plain and from asynchronous tests.
pub struct Server {
    address: SocketAddr,
    stats: Arc<Stats>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts to serve. When this returns, connections are accepted.
    pub fn start(options: Options) -> io::Result<Server> {
        let listener = TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stats = Arc::new(Stats::default());
        let shared = Arc::new(Shared {
            data: options.data,
            pace: options.pace,
            stats: stats.clone(),
            tokens: options.credentials.as_deref().map(Tokens::new),
        });
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let application = Router::new().fallback(handle).with_state(shared);
        runtime.spawn(async move { axum::serve(listener, application).await });
        Ok(Server { address, stats, runtime: Some(runtime) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Traffic since the start or the last reset.
    pub fn stats(&self) -> Snapshot {
        self.stats.snapshot()
    }

    /// Starts counting anew.
    pub fn reset_stats(&self) {
        self.stats.reset();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, so that a test may drop it inside its own runtime.
            runtime.shutdown_background();
        }
    }
}

struct Shared {
    data: PathBuf,
    pace: Pace,
    stats: Arc<Stats>,
    tokens: Option<Tokens>,
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let answered = route(&shared, &request).await;
    answered.unwrap_or_else(|error| {
        let text = format!("upstream: {error}\n");
        answer::typed(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", text)
            .expect("constant headers are valid")
    })
}

async fn route(shared: &Shared, request: &Parts) -> io::Result<Response> {
    let path = decode(request.uri.path());
    match (&request.method, path.as_str()) {
        (&Method::GET, "/_stats") => {
            return answer::json(StatusCode::OK, &serde_json::to_value(shared.stats.snapshot())?);
        }
        (&Method::POST, "/_stats/reset") => {
            shared.stats.reset();
            return answer::typed(StatusCode::NO_CONTENT, "text/plain", String::new());
        }
        (&Method::GET | &Method::HEAD, _) => {}
        _ => return answer::typed(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "read only\n".into()),
    }
    let asked = asked(shared, request);
    shared.stats.request(&asked.path);
    let query = query(request.uri.query().unwrap_or_default());
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match (&shared.tokens, path.strip_prefix("/v2/").map(Route::parse)) {
        (Some(tokens), None) if path == "/token" => {
            tokens.issue(&request.headers, query.get("scope").map_or("", String::as_str))
        }
        (_, None) => files::respond(&shared.data, &path, host, asked).await,
        (_, Some(None)) => answer::not_found(&path),
        (Some(tokens), Some(Some(route))) if !tokens.allows(&request.headers, route.repository) => {
            tokens.challenge(host, route.repository)
        }
        (_, Some(Some(route))) => {
            let catalogue = Catalogue::load(&shared.data.join("layout"))?;
            let parameter = |name: &str| query.get(name).map(String::as_str);
            route.respond(&catalogue, parameter("ns"), parameter("artifactType"), asked).await
        }
    }
}

fn asked(shared: &Shared, request: &Parts) -> Asked {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    Asked {
        head: request.method == Method::HEAD,
        headers: request.headers.clone(),
        path: path.to_owned(),
        pace: shared.pace,
        stats: shared.stats.clone(),
    }
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

// Percent-decoding. `+` stays itself: it stands in k3s tags, and none of our clients sends it for a space.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
