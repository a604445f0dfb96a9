//! A client in a hurry, and ears and hands for it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use airlock::error::{Code, Error};
use airlock::fetch::{Client, RetryPolicy, Settings, Sink, Timeouts};
use airlock::progress::{Event, Progress};
use airlock::spec::HostSettings;

/// Settings with pauses of milliseconds; timeouts are long enough for a busy machine.
pub fn quick() -> Settings {
    Settings {
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(10),
            stall_bytes: 64,
        },
        retry: RetryPolicy {
            attempts: 3,
            base_delay: Duration::from_millis(1),
            longest_delay: Duration::from_millis(4),
            longest_wait: Duration::from_secs(3600),
        },
        ..Settings::default()
    }
}

pub fn client() -> Client {
    Client::new(quick())
}

/// A client that gives up on silence at once. Only for servers that are silent.
pub fn impatient() -> Client {
    let moment = Duration::from_millis(100);
    let timeouts = Timeouts { answer: moment, stall: moment, ..quick().timeouts };
    Client::new(Settings { timeouts, ..quick() })
}

/// Settings in which these hosts speak plain HTTP.
pub fn plain(hosts: &[String]) -> Settings {
    let settings = HostSettings { plain_http: true, ..HostSettings::default() };
    Settings { hosts: hosts.iter().map(|host| (host.clone(), settings.clone())).collect(), ..quick() }
}

/// Makes `host` a plain one with these mirrors.
pub fn mirrored(hosts: &mut BTreeMap<String, HostSettings>, host: &str, mirrors: Vec<String>) {
    hosts.insert(host.to_owned(), HostSettings { plain_http: true, mirrors, ..HostSettings::default() });
}

/// Remembers what it heard.
#[derive(Default)]
pub struct Listener {
    pub advanced: Mutex<u64>,
    pub warnings: Mutex<Vec<String>>,
}

impl Listener {
    pub fn new() -> Arc<Listener> {
        Arc::default()
    }

    pub fn advanced(&self) -> u64 {
        *self.advanced.lock().unwrap()
    }

    pub fn warnings(&self) -> String {
        self.warnings.lock().unwrap().join("\n")
    }
}

impl Progress for Listener {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Advanced { bytes, .. } => *self.advanced.lock().unwrap() += bytes,
            Event::Warning { text } => self.warnings.lock().unwrap().push(text.to_owned()),
            _ => {}
        }
    }
}

/// A sink in memory, on a disk of limited size.
#[derive(Default)]
pub struct Memory {
    pub bytes: Vec<u8>,
    pub room: Option<usize>,
    pub restarts: usize,
}

impl Memory {
    pub fn with(bytes: &[u8]) -> Memory {
        Memory { bytes: bytes.to_vec(), ..Memory::default() }
    }
}

impl Sink for Memory {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.room.is_some_and(|room| self.bytes.len() + bytes.len() > room) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn restart(&mut self) -> io::Result<()> {
        self.restarts += 1;
        self.bytes.clear();
        Ok(())
    }
}

/// Checks code, exit status and that the message or its details contain `text`, and that help is offered.
#[track_caller]
pub fn expect(case: &str, error: &Error, code: Code, exit_status: u8, text: &str) {
    let everything = format!("{error}\n{}", error.details().join("\n"));
    assert_eq!(error.code(), code, "{case}: {everything}");
    assert_eq!(error.kind().exit_status(), exit_status, "{case}");
    assert!(everything.contains(text), "{case}: `{text}` is not in: {everything}");
    assert!(error.help().is_some(), "{case}: no help");
}

/// Bytes without repetition at short distance, so that a wrong join is noticed.
pub fn content(length: usize) -> Vec<u8> {
    (0..length as u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}
