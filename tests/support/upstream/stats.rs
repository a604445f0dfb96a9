//! Counts what the server was asked for and what it sent, so that tests can prove that nothing was fetched twice.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

/// Traffic since the start or the last reset; the JSON of `/_stats`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// Sum over all paths.
    pub total: Traffic,
    /// By path and query as they stood in the request line.
    pub paths: BTreeMap<String, Traffic>,
}

impl Snapshot {
    /// The sum over the paths that contain `fragment`, such as `/blobs/`.
    pub fn matching(&self, fragment: &str) -> Traffic {
        let chosen = self.paths.iter().filter(|(path, _)| path.contains(fragment));
        chosen.fold(Traffic::default(), |sum, (_, traffic)| Traffic {
            requests: sum.requests + traffic.requests,
            bytes: sum.bytes + traffic.bytes,
        })
    }
}

/// Number of requests, and of body bytes handed to the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Requests of any method and any result.
    pub requests: u64,
    /// Bytes of answer bodies. What a cut connection still held in buffers counts as sent.
    pub bytes: u64,
}

/// The counters of a running server.
#[derive(Default)]
pub struct Stats(Mutex<Snapshot>);

impl Stats {
    /// Counts a request.
    pub fn request(&self, path: &str) {
        self.add(path, Traffic { requests: 1, bytes: 0 });
    }

    /// Counts bytes sent.
    pub fn sent(&self, path: &str, bytes: u64) {
        self.add(path, Traffic { requests: 0, bytes });
    }

    /// A copy of the counters.
    pub fn snapshot(&self) -> Snapshot {
        self.0.lock().expect("no holder of this lock panics").clone()
    }

    /// Sets everything to zero.
    pub fn reset(&self) {
        *self.0.lock().expect("no holder of this lock panics") = Snapshot::default();
    }

    fn add(&self, path: &str, more: Traffic) {
        let mut snapshot = self.0.lock().expect("no holder of this lock panics");
        let Snapshot { total, paths } = &mut *snapshot;
        for traffic in [total, paths.entry(path.to_owned()).or_default()] {
            traffic.requests += more.requests;
            traffic.bytes += more.bytes;
        }
    }
}
