//! Many clients: what they hold comes back, and they need little memory.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use airlock::oci::digest::Digest;
use airlock::registry::limits::Limits;

use crate::command::{Process, get, serve};
use crate::support::{Options, Server};

const CLIENTS: usize = 64;

/// A number between zero and `end`, different for each seed.
fn random(seed: usize, end: usize) -> usize {
    let digest = Digest::of(&seed.to_le_bytes());
    let number = digest.bytes()[..4].iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    number % end
}

fn ask(stream: &mut TcpStream, target: &str) {
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
}

/// Waits until only the connection that asks is left.
fn wait_for_the_last(server: &Server) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !server.get("/metrics").text().contains("airlock_registry_connections 1\n") {
        assert!(Instant::now() < deadline, "connections are left over");
        std::thread::yield_now();
    }
}

#[test]
fn who_hangs_up_anywhere_leaves_nothing() {
    let limits = Limits { connections: CLIENTS, connections_per_client: CLIENTS };
    let server = Server::with(Options { limits, ..Options::default() });
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 251) as u8).collect();
    let target = format!("/v2/a/blobs/{}", server.push_blob("a", &bytes));
    // In the first round the blob is hashed as it passes, in the second it goes out as it lies.
    for round in 0..2 {
        wait_for_the_last(&server);
        std::thread::scope(|scope| {
            // One place is for whoever asks for the numbers.
            for client in 1..CLIENTS {
                let (mut stream, target) = (server.connect(), &target);
                scope.spawn(move || {
                    ask(&mut stream, target);
                    let mut wanted = vec![0; random(round * CLIENTS + client, 8_000_000)];
                    stream.read_exact(&mut wanted).unwrap();
                });
            }
        });
        wait_for_the_last(&server);
        assert!(server.get(&target).body == bytes);
    }
    let mut all: Vec<TcpStream> = (1..CLIENTS).map(|_| server.connect()).collect();
    for stream in &mut all {
        ask(stream, "/healthz");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200", "every place is free again");
    }
}

#[test]
fn slow_clients_get_all_of_it_and_hold_nobody_up() {
    let server = Server::start();
    let bytes: Vec<u8> = (0..8_000_000_u32).map(|number| (number % 253) as u8).collect();
    let target = format!("/v2/a/blobs/{}", server.push_blob("a", &bytes));
    let mut slow: Vec<TcpStream> = (0..CLIENTS).map(|_| server.connect()).collect();
    for stream in &mut slow {
        ask(stream, &target);
        stream.read_exact(&mut [0; 1]).unwrap();
    }
    // Nobody of them reads: their sockets are full, and others are served.
    for _ in 0..3 {
        assert!(server.get(&target).body == bytes);
    }
    let mut last = slow.swap_remove(random(0, CLIENTS));
    drop(slow);
    let mut rest = vec![0; 8_000_000];
    last.read_exact(&mut rest).unwrap();
    let end = rest.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(rest[end..] == bytes[..8_000_000 - end]);
}

/// Resident memory of a process now, in KiB (proc(5), VmRSS).
fn resident(process: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_thousand_idle_connections_need_little_memory() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.maximum.is_some_and(|most| most < 4096) || setrlimit(Resource::Nofile, raised).is_err() {
        eprintln!("SKIPPED: too few files may be open");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--store", "store", "--listen", "http://127.0.0.1:0"];
    let more = ["--connections", "2000", "--connections-per-client", "2000"];
    let mut process = Process::start(&mut serve(directory.path(), &[&arguments[..], &more].concat()));
    let address = process.address("http");
    assert_eq!(get(&address, "/healthz").status, 200);
    let before = resident(process.id());
    let mut idle = Vec::new();
    for _ in 0..1000 {
        let mut stream = TcpStream::connect(&address).unwrap();
        ask(&mut stream, "/healthz");
        stream.read_exact(&mut [0; 12]).unwrap();
        idle.push(stream);
    }
    let each = (resident(process.id()) - before) / 1000;
    assert!(each < 32, "{each} KiB for each of them");
    assert_eq!(get(&address, "/healthz").status, 200);
}
