//! `airlock registry serve` as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::support::Answer;

const AIRLOCK: &str = env!("CARGO_BIN_EXE_airlock");

/// A running server, ended by force if a test forgets it.
pub struct Process {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    /// Lines it has said.
    pub said: Vec<String>,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Process { child, stderr, said: Vec::new() }
    }

    /// Reads what it says up to a line with `part`.
    pub fn wait_for(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "`{part}` is not in {:?}", self.said);
            self.said.push(line.trim_end().to_owned());
            if line.contains(part) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// `host:port` of the next listener with this scheme.
    pub fn address(&mut self, scheme: &str) -> String {
        let line = self.wait_for(&format!("Listening at {scheme}://"));
        line.rsplit_once("//").unwrap().1.to_owned()
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn wait(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn serve(directory: &Path, arguments: &[&str]) -> Command {
    serve_showing("plain", directory, arguments)
}

fn serve_showing(how: &str, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(AIRLOCK);
    command.args(["registry", "serve", "--progress", how]).args(arguments);
    command.env_clear().env("HOME", directory).env("PATH", "/usr/bin:/bin").current_dir(directory);
    command
}

pub fn get(address: &str, target: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    Answer::read(stream)
}

/// The first line of what comes back, none if the client was dropped.
fn status(address: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET /v2/_catalog HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

#[test]
fn it_tells_when_it_is_ready_and_ends_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(directory.path().join("notify")).unwrap();
    let arguments =
        ["--store", "store", "--listen", "http://127.0.0.1:0", "--unix", "socket", "--unix-mode", "0660"];
    let mut process = Process::start(serve(directory.path(), &arguments).env("NOTIFY_SOCKET", "notify"));
    let told = || {
        let mut buffer = [0; 64];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    };
    assert_eq!(told(), "READY=1");
    let address = process.address("http");
    assert_eq!(get(&address, "/v2/").status, 200, "where nobody can log in, nobody is asked to");
    let line = process.wait_for("GET /v2/ 200");
    assert!(line.starts_with("127.0.0.1 GET /v2/ 200 2 B "), "{line}");
    process.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
    let (status, rest) = process.wait();
    assert_eq!(status.code(), Some(0), "{rest}");
}

#[test]
fn requests_are_json_lines_if_asked() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--store", "store", "--listen", "http://127.0.0.1:0"];
    let mut process = Process::start(&mut serve_showing("json", directory.path(), &arguments));
    let line: serde_json::Value = serde_json::from_str(&process.wait_for("Listening")).unwrap();
    let address = line["text"].as_str().unwrap().rsplit_once("//").unwrap().1.to_owned();
    get(&address, "/v2/a/tags/list");
    let line: serde_json::Value = serde_json::from_str(&process.wait_for("served")).unwrap();
    assert_eq!((&line["client"], &line["status"]), (&"127.0.0.1".into(), &404.into()));
    assert_eq!(line["target"], "/v2/a/tags/list");
}

#[test]
fn tls_is_of_an_authority_made_at_the_first_start() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [
        "--store",
        "store",
        "--listen",
        "0.0.0.0:0",
        "--tls-directory",
        "tls",
        "--name",
        "reg.lab",
        "--token-file",
        "token",
    ];
    for _ in 0..2 {
        let mut process = Process::start(&mut serve(directory.path(), &arguments));
        let port = process.address("https").rsplit_once(':').unwrap().1.to_owned();
        for host in ["127.0.0.1", "localhost", "reg.lab"] {
            let resolve = format!("reg.lab:{port}:127.0.0.1");
            let url = format!("https://{host}:{port}/healthz");
            let curl = Command::new("curl")
                .args(["-sS", "--noproxy", "*", "--cacert"])
                .arg(directory.path().join("tls/ca.crt"))
                .args(["--resolve", &resolve, &url])
                .output();
            let Ok(output) = curl else {
                eprintln!("SKIPPED: curl is not installed");
                return;
            };
            assert_eq!(
                String::from_utf8_lossy(&output.stdout),
                "ok\n",
                "{host}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let token = fs_err::read_to_string(directory.path().join("token")).unwrap();
        process.signal("TERM");
        let said = process.said.join("\n");
        let (_, rest) = process.wait();
        assert!(!said.contains(token.trim()) && !rest.contains(token.trim()));
    }
}

#[test]
fn a_restart_behind_a_handed_over_socket_drops_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    // As systemd does it, with a shell for what happens between fork and exec.
    let start = || {
        let script = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec \"$@\"";
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            script,
            "sh",
            AIRLOCK,
            "registry",
            "serve",
            "--progress",
            "plain",
            "--store",
            "store",
        ]);
        command.env_clear().env("HOME", directory.path()).current_dir(directory.path());
        command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
        Process::start(&mut command)
    };
    let mut process = start();
    assert_eq!(process.address("http"), address);
    let (done, ended) = std::sync::mpsc::channel::<()>();
    let clients = {
        let address = address.clone();
        std::thread::spawn(move || {
            let mut statuses = Vec::new();
            while ended.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                statuses.push(status(&address));
            }
            statuses
        })
    };
    for _ in 0..10 {
        process.wait_for("GET /v2/_catalog 200");
        process.signal("TERM");
        let (status, _) = process.wait();
        assert_eq!(status.code(), Some(0));
        process = start();
        process.wait_for("GET /v2/_catalog 200");
    }
    drop(done);
    let statuses = clients.join().unwrap();
    assert!(statuses.len() >= 20 && statuses.iter().all(|&status| status == Some(200)), "{statuses:?}");
}

#[test]
fn what_cannot_work_is_said_with_help() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = serve(directory.path(), arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (status, text) = run(&["--store", "store"]);
    assert!(status == Some(2) && text.contains("nowhere to listen") && text.contains("help: "), "{text}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    let (status, text) = run(&["--store", "store", "--listen", &address]);
    assert!(status == Some(7) && text.contains("E0901") && text.contains("ss -ltnxp"), "{text}");
    let (status, text) = run(&["--store", "store", "--listen", "http://192.0.2.1:5000"]);
    assert!(status == Some(7) && text.contains("E0901") && text.contains("ip address"), "{text}");
    fs_err::write(directory.path().join("file"), "precious").unwrap();
    let (status, text) = run(&["--store", "store", "--unix", "file"]);
    assert!(status == Some(7) && text.contains("there is a file of that name"), "{text}");
    assert_eq!(fs_err::read_to_string(directory.path().join("file")).unwrap(), "precious");
    fs_err::write(directory.path().join("token"), "0123456789abcdef0123").unwrap();
    let (status, text) = run(&["--store", "store", "--unix", "socket", "--token-file", "token"]);
    assert!(status == Some(7) && text.contains("E0902") && text.contains("chmod 600"), "{text}");
    assert!(!text.contains("0123456789abcdef0123"));
    let (status, _) = run(&["--store", "store", "--listen", "localhost:5000"]);
    assert_eq!(status, Some(2));
}
