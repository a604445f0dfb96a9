//! A small registry in memory that misbehaves as a test tells it: plain sockets and threads, so that nothing corrects
//! it on the way. Each connection serves one request.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use airlock::oci::digest::Digest;

/// What happens to a request instead of the usual.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer: status, headers, body. Nothing is done.
    Answer(u16, &'static str, &'static str),
    /// The connection is reset after so many bytes of the body, which are kept.
    Cut(usize),
    /// Everything is done, and nobody is told.
    Silence,
    /// The body is not taken, for ever.
    Deaf,
}

/// What it is like besides.
#[derive(Clone)]
pub struct Habits {
    /// It takes blobs of other repositories over.
    pub mounts: bool,
    /// It goes on with an upload that was cut.
    pub resumes: bool,
    /// It takes indexes of which manifests are missing.
    pub sparse: bool,
    /// What its Locations begin with; `ADDRESS` is its own, and `?` may follow.
    pub location: &'static str,
    /// What follows in its Locations.
    pub query: &'static str,
    /// It says this about every manifest.
    pub digest: Option<&'static str>,
    /// Bytes that a request may have.
    pub limit: usize,
    /// It wants a token.
    pub wants_token: bool,
}

impl Default for Habits {
    fn default() -> Self {
        let (mounts, resumes, sparse) = (true, true, true);
        let (location, query, digest, limit) = ("", "", None, usize::MAX);
        Habits { mounts, resumes, sparse, location, query, digest, limit, wants_token: false }
    }
}

/// A request: its method, its path with query, and the part of its body that came.
pub struct Asked {
    pub method: String,
    pub target: String,
    headers: String,
    pub length: usize,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub fn is_authorized(&self) -> bool {
        self.header("authorization").is_some()
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.replace("%3A", ":").replace("%2F", "/"))
    }
}

type Script = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    blobs: HashMap<(String, String), Vec<u8>>,
    manifests: HashMap<(String, String), (String, Vec<u8>)>,
    uploads: HashMap<String, Vec<u8>>,
    /// How many uploads were begun.
    begun: usize,
    seen: Vec<String>,
    /// Bytes of all bodies.
    received: usize,
    script: Option<Script>,
}

/// A running registry. Its threads end with the process.
#[derive(Clone)]
pub struct Registry {
    pub address: String,
    /// How often all tokens have run out.
    pub expired: Arc<AtomicUsize>,
    habits: Habits,
    state: Arc<Mutex<State>>,
}

impl Registry {
    pub fn start(habits: Habits) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let registry = Registry { address, expired: Arc::default(), habits, state: Arc::default() };
        let served = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let registry = served.clone();
                // A connection that breaks is what is tested.
                std::thread::spawn(move || drop(registry.serve(stream)));
            }
        });
        registry
    }

    /// Asks `script` about every request from now on.
    pub fn misbehave(&self, script: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        self.state.lock().unwrap().script = Some(Box::new(script));
    }

    /// Lets the first request fail of which `wanted` is true.
    pub fn fail_once(&self, fault: Fault, wanted: impl Fn(&Asked) -> bool + Send + 'static) {
        let mut fault = Some(fault);
        self.misbehave(move |asked| if wanted(asked) { fault.take() } else { None });
    }

    /// Methods and targets of all requests since this was asked last.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().seen)
    }

    pub fn received(&self) -> usize {
        self.state.lock().unwrap().received
    }

    pub fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), reference.to_owned());
        self.state.lock().unwrap().manifests.get(&key).map(|(_, bytes)| bytes.clone())
    }

    pub fn blob(&self, repository: &str, bytes: &[u8]) -> bool {
        let key = (repository.to_owned(), Digest::of(bytes).to_string());
        self.state.lock().unwrap().blobs.get(&key).is_some_and(|found| found == bytes)
    }

    /// A blob is lost.
    pub fn lose(&self, repository: &str, bytes: &[u8]) {
        let key = (repository.to_owned(), Digest::of(bytes).to_string());
        assert!(self.state.lock().unwrap().blobs.remove(&key).is_some());
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let asked = read_head(&mut stream)?;
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.seen.push(format!("{} {}", asked.method, asked.target));
            state.script.as_mut().and_then(|script| script(&asked))
        };
        let fault = match fault {
            None if asked.length > self.habits.limit => {
                Some(Fault::Answer(413, "Content-Type: text/html\r\n", "<html>"))
            }
            fault => fault,
        };
        match fault {
            Some(Fault::Answer(status, headers, body)) => {
                // As nginx does: the body is read and thrown away, so that the answer arrives.
                let head = format!(
                    "HTTP/1.1 {status} Refused\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(head.as_bytes())?;
                std::io::copy(&mut (&mut stream).take(asked.length as u64), &mut std::io::sink()).map(drop)
            }
            Some(Fault::Cut(after)) => {
                let mut part = vec![0; after.min(asked.length)];
                stream.read_exact(&mut part)?;
                self.append(&asked, &part);
                rustix::net::sockopt::set_socket_linger(&stream, Some(std::time::Duration::ZERO))?;
                Ok(())
            }
            Some(Fault::Deaf) => loop {
                std::thread::park();
            },
            other => {
                let mut body = vec![0; asked.length];
                stream.read_exact(&mut body)?;
                let answer = self.answer(&asked, &body);
                if other.is_none() { stream.write_all(&answer) } else { Ok(()) }
            }
        }
    }

    /// Keeps a part of an upload.
    fn append(&self, asked: &Asked, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap();
        state.received += bytes.len();
        let id = upload_of(&asked.target);
        match self.habits.resumes {
            true => state.uploads.get_mut(&id).unwrap().extend_from_slice(bytes),
            false => drop(state.uploads.remove(&id)),
        }
    }

    fn answer(&self, asked: &Asked, body: &[u8]) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        state.received += body.len();
        if asked.target.starts_with("/token") {
            return self.hand_out(asked);
        }
        let token = format!("Bearer {}", self.token());
        if self.habits.wants_token && asked.header("authorization") != Some(&token) {
            let challenge =
                format!("WWW-Authenticate: Bearer realm=\"{}/token\",service=\"lab\"\r\n", self.address);
            return respond(401, &challenge, b"");
        }
        let path = asked.target.split('?').next().unwrap().strip_prefix("/v2/").unwrap().to_owned();
        if let Some((repository, digest)) = path.split_once("/blobs/sha256:") {
            let key = (repository.to_owned(), format!("sha256:{digest}"));
            return match state.blobs.get(&key) {
                Some(bytes) => respond_head(200, "", bytes.len()),
                None => respond(404, "", b""),
            };
        }
        match path.split_once("/manifests/") {
            Some((repository, reference)) => self.manifests(&mut state, asked, repository, reference, body),
            None => self.uploads(&mut state, asked, path.split_once("/blobs/uploads/").unwrap(), body),
        }
    }

    fn token(&self) -> String {
        format!("t{}", self.expired.load(Ordering::SeqCst))
    }

    fn hand_out(&self, asked: &Asked) -> Vec<u8> {
        assert!(asked.header("authorization").is_some_and(|header| header.starts_with("Basic ")));
        let token = format!("{{\"token\": \"{}\"}}", self.token());
        respond(200, "Content-Type: application/json\r\n", token.as_bytes())
    }

    fn manifests(
        &self,
        state: &mut State,
        asked: &Asked,
        repository: &str,
        reference: &str,
        body: &[u8],
    ) -> Vec<u8> {
        let key = |reference: &str| (repository.to_owned(), reference.to_owned());
        if asked.method != "PUT" {
            return match state.manifests.get(&key(reference)) {
                Some((media_type, bytes)) => {
                    let digest =
                        self.habits.digest.map_or_else(|| Digest::of(bytes).to_string(), str::to_owned);
                    let headers =
                        format!("Content-Type: {media_type}\r\nDocker-Content-Digest: {digest}\r\n");
                    respond_head(200, &headers, bytes.len())
                }
                None => respond(404, "", b""),
            };
        }
        let document: serde_json::Value = serde_json::from_slice(body).unwrap();
        let parts = |name: &str| document[name].as_array().cloned().unwrap_or_default();
        let digest_of = |part: &serde_json::Value| part["digest"].as_str().unwrap().to_owned();
        let layers = parts("layers").into_iter().chain(document.get("config").cloned());
        for layer in layers {
            assert!(state.blobs.contains_key(&key(&digest_of(&layer))), "a manifest came before its blobs");
        }
        let missing =
            parts("manifests").iter().any(|child| !state.manifests.contains_key(&key(&digest_of(child))));
        if missing && !self.habits.sparse {
            let unknown =
                br#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
            return respond(404, "Content-Type: application/json\r\n", unknown);
        }
        let digest = Digest::of(body).to_string();
        let entry = (asked.header("content-type").unwrap().to_owned(), body.to_vec());
        state.manifests.insert(key(&digest), entry.clone());
        state.manifests.insert(key(reference), entry);
        let digest = self.habits.digest.map_or(digest, str::to_owned);
        respond(201, &format!("Docker-Content-Digest: {digest}\r\n"), b"")
    }

    fn uploads(
        &self,
        state: &mut State,
        asked: &Asked,
        (repository, id): (&str, &str),
        body: &[u8],
    ) -> Vec<u8> {
        let location = |id: &str| {
            let base = self.habits.location.replace("ADDRESS", &self.address);
            format!("Location: {base}/v2/{repository}/blobs/uploads/{id}{}\r\n", self.habits.query)
        };
        if asked.method == "POST" {
            if let (Some(digest), Some(from), true) =
                (asked.parameter("mount"), asked.parameter("from"), self.habits.mounts)
                && let Some(bytes) = state.blobs.get(&(from, digest.clone())).cloned()
            {
                state.blobs.insert((repository.to_owned(), digest), bytes);
                return respond(201, "", b"");
            }
            state.begun += 1;
            let id = format!("u{}", state.begun);
            state.uploads.insert(id.clone(), Vec::new());
            return respond(202, &location(&id), b"");
        }
        let query = self.habits.query.trim_start_matches('?');
        assert!(asked.target.contains(query), "the query of the Location was lost");
        let Some(upload) = state.uploads.get_mut(id) else { return respond(404, "", b"") };
        let begins = asked
            .header("content-range")
            .map(|range| range.split('-').next().unwrap().parse::<usize>().unwrap());
        if begins.is_some_and(|begins| begins != upload.len()) {
            return respond(416, "", b"");
        }
        upload.extend_from_slice(body);
        let range = format!("{}Range: 0-{}\r\n", location(id), upload.len().saturating_sub(1));
        match asked.method.as_str() {
            "GET" => respond(204, &range, b""),
            "PATCH" => respond(202, &range, b""),
            _ => {
                let digest = asked.parameter("digest").unwrap();
                let bytes = state.uploads.remove(id).unwrap();
                if Digest::of(&bytes).to_string() != digest {
                    return respond(400, "", b"");
                }
                state.blobs.insert((repository.to_owned(), digest), bytes);
                respond(201, "", b"")
            }
        }
    }
}

fn upload_of(target: &str) -> String {
    let path = target.split('?').next().unwrap();
    path.rsplit('/').next().unwrap().to_owned()
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let (first, headers) = head.split_once("\r\n").unwrap();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let mut asked = Asked { method, target, headers: headers.to_owned(), length: 0 };
    asked.length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    assert!(asked.header("transfer-encoding").is_none(), "a body without its length");
    Ok(asked)
}

fn respond(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = respond_head(status, headers, body.len());
    answer.extend_from_slice(body);
    answer
}

fn respond_head(status: u16, headers: &str, length: usize) -> Vec<u8> {
    // An answer without content must not name its length (RFC 9110, 8.6).
    let length = if status == 204 { String::new() } else { format!("Content-Length: {length}\r\n") };
    format!("HTTP/1.1 {status} Answer\r\n{headers}{length}Connection: close\r\n\r\n").into_bytes()
}
