//! Whether the API of Kubernetes answers at a port of this machine: keepalived asks, every other second.
//!
//! k3s answers `GET /ping` to whoever asks, without a login. Who answers on a port of this machine is not in question,
//! so that its certificate is not looked at.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::error::{Error, Result, codes};
use crate::node::registry::introduction;

/// How long each part of the answer may take; keepalived gives up after three seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much of the answer is read: its first line, and a bit.
const MAX_ANSWER: u64 = 256;

/// Asks at `port` of this machine.
///
/// # Errors
/// [`codes::NOT_ALIVE`] if nobody answers, or something else than that all is well.
pub fn check(port: u16) -> Result<()> {
    let said = match ask(port) {
        Ok(line) if is_well(&line) => return Ok(()),
        Ok(line) => Error::new(codes::NOT_ALIVE, format!("port {port} of this machine is not well"))
            .with_detail(format!("it says `{}`", crate::quote::quote(&line))),
        Err(error) => Error::new(codes::NOT_ALIVE, format!("nobody answers at port {port} of this machine"))
            .with_source(error),
    };
    Err(said.with_help("see whether k3s runs, and haproxy where there is one: `airlock node status`"))
}

/// The first line of the answer to `GET /ping`.
fn ask(port: u16) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let name = ServerName::from(address.ip());
    let connection = ClientConnection::new(introduction::onlooking()?, name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER).read_to_end(&mut answer) {
        // Who closes the connection without a word, or keeps it open, has said what there was to say.
        Err(error) if answer.is_empty() => return Err(error),
        _ => {}
    }
    let line = answer.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

/// Whether a status line (RFC 9112, 4) is one of success.
fn is_well(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next().is_some_and(|version| version.starts_with("HTTP/1.")) && words.next() == Some("200")
}
