//! `airlock registry serve` as a process on a free loopback port, and a client that keeps its connection.
#![allow(dead_code, reason = "whoever includes this module uses a part of it")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What may go wrong; the text goes to whoever runs it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Longest that anybody waits for a server to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; it is killed with this value.
pub struct Server {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    started: Instant,
}

impl Server {
    /// Starts `command`, an `airlock registry serve` that lacks nothing but where to listen.
    pub fn start(mut command: Command) -> Result<Server> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        command.args(["--quiet", "--listen", &format!("http://{address}")]);
        let started = Instant::now();
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Server { process, address, started })
    }

    /// A connection, as soon as it listens.
    pub fn connect(&self) -> Result<Client> {
        while self.started.elapsed() < PATIENCE {
            if let Ok(stream) = TcpStream::connect(&self.address) {
                stream.set_nodelay(true)?;
                return Ok(Client { stream: BufReader::new(stream) });
            }
            // It says to nobody that it is ready, so it is asked until it answers.
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("airlock registry serve does not start".into())
    }

    /// How long ago the process was started.
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends it by SIGKILL, in the midst of whatever it does.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Its peak resident memory in KiB.
    pub fn peak_kib(&self) -> Result<u64> {
        let status = fs_err::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection for one request after the other.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// What came back.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Where an upload goes on.
    pub location: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// One request and its answer.
    pub fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: bench\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.stream.get_mut().write_all(body)?;
        self.answer(method == "HEAD")
    }

    fn answer(&mut self, is_head: bool) -> Result<Answer> {
        let (mut length, mut location) = (0, None);
        let status = self.line()?.split(' ').nth(1).ok_or("the server has closed the connection")?.parse()?;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse()?,
                "location" => location = Some(value.to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; if is_head { 0 } else { length }];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, location, body })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
