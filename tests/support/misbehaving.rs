//! A server that does exactly what a test says, however wrong: it drops, stalls, lies about lengths, resets
//! connections, trickles bytes, never ends. Plain sockets and threads, so that nothing corrects it on the way.
//!
//! Each connection serves one request. The script gets the request and its number (from 0) and returns the
//! [`Step`]s to be carried out.
#![allow(dead_code, reason = "every test program uses another part of it")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    /// Path with query; the whole URL if we were asked as a proxy.
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// First byte asked for by `Range`, 0 without one.
    pub fn start(&self) -> usize {
        self.header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
            .unwrap_or(0)
    }
}

/// One thing to do with a connection. After the last one it is closed in order.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Sends nothing more, and waits until the client leaves.
    Stall,
    /// Sends one byte at a time at this pace, until the client leaves.
    Trickle(Duration),
    /// Sends for ever.
    Endless,
    /// Closes with a reset.
    Reset,
}

/// A running server. Its threads end with the process.
pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Serves plain HTTP by `script`.
    pub fn start(script: impl Fn(&Seen, usize) -> Vec<Step> + Send + Sync + 'static) -> Server {
        Self::start_wrapped(script, |stream| Ok(Box::new(stream)))
    }

    /// Serves HTTPS by `script`.
    pub fn start_tls(
        config: Arc<rustls::ServerConfig>,
        script: impl Fn(&Seen, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Server {
        Self::start_wrapped(script, move |stream| {
            let connection = rustls::ServerConnection::new(config.clone()).map_err(io::Error::other)?;
            Ok(Box::new(rustls::StreamOwned::new(connection, stream)))
        })
    }

    fn start_wrapped(
        script: impl Fn(&Seen, usize) -> Vec<Step> + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> io::Result<Box<dyn Stream>> + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (record, script, wrap) = (seen.clone(), Arc::new(script), Arc::new(wrap));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (record, script, wrap) = (record.clone(), script.clone(), wrap.clone());
                std::thread::spawn(move || {
                    // A client that breaks off is what many of the tests are about.
                    let _ = wrap(stream).and_then(|stream| serve(stream, &record, &*script));
                });
            }
        });
        Server { port, seen }
    }

    /// `http://127.0.0.1:PORT` and `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn serve(
    mut stream: Box<dyn Stream>,
    record: &Mutex<Vec<Seen>>,
    script: &dyn Fn(&Seen, usize) -> Vec<Step>,
) -> io::Result<()> {
    let request = read_request(&mut stream)?;
    let number = {
        let mut record = record.lock().expect("not poisoned");
        record.push(request.clone());
        record.len() - 1
    };
    let mut steps = script(&request, number).into_iter();
    loop {
        match steps.next() {
            Some(Step::Send(bytes)) => stream.write_all(&bytes)?,
            Some(Step::Stall) => return wait_for_end(&mut stream),
            Some(Step::Trickle(pace)) => loop {
                stream.write_all(b".")?;
                std::thread::sleep(pace);
            },
            Some(Step::Endless) => loop {
                stream.write_all(&[0; 4096])?;
            },
            // The last byte of the request is still unread, and closing then resets the connection.
            Some(Step::Reset) => return Ok(()),
            None => break,
        }
        stream.flush()?;
    }
    if request.body.is_empty() {
        stream.read_exact(&mut [0])?;
    }
    Ok(())
}

fn wait_for_end(stream: &mut Box<dyn Stream>) -> io::Result<()> {
    let mut nothing = [0; 64];
    while stream.read(&mut nothing)? > 0 {}
    Ok(())
}

/// Reads a request. Without a body the last byte of the head is left unread, see [`Step::Reset`].
fn read_request(stream: &mut Box<dyn Stream>) -> io::Result<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut request = Seen {
        method: first.next().unwrap_or_default(),
        path: first.next().unwrap_or_default(),
        headers,
        body: String::new(),
    };
    let length =
        request.header("content-length").and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    if length > 0 {
        let mut end_and_body = vec![0; 1 + length];
        stream.read_exact(&mut end_and_body)?;
        request.body = String::from_utf8_lossy(&end_and_body[1..]).into_owned();
    }
    Ok(request)
}

/// The head of an answer, with these headers and no others than `Connection: close`.
pub fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\n{lines}\r\n").into_bytes()
}

/// A whole, correct answer.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<Step> {
    let length = body.len().to_string();
    let mut headers = headers.to_vec();
    headers.push(("Content-Length", &length));
    vec![Step::Send([head(status, &headers), body.to_vec()].concat())]
}

/// A 206 with the rest of `whole` from `start`, correct in everything.
pub fn rest(whole: &[u8], start: usize, headers: &[(&str, &str)]) -> Vec<Step> {
    let range = format!("bytes {start}-{}/{}", whole.len() - 1, whole.len());
    let mut headers = headers.to_vec();
    headers.push(("Content-Range", &range));
    answer("206 Partial Content", &headers, &whole[start..])
}

/// A 200 that announces all of `whole` and sends the first `count` bytes, before `then`.
pub fn cut(whole: &[u8], count: usize, headers: &[(&str, &str)], then: Option<Step>) -> Vec<Step> {
    let length = whole.len().to_string();
    let mut headers = headers.to_vec();
    headers.push(("Content-Length", &length));
    let first = Step::Send([head("200 OK", &headers), whole[..count].to_vec()].concat());
    std::iter::once(first).chain(then).collect()
}
