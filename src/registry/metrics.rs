//! Numbers about the work of the server, in the text format of Prometheus ("Exposition formats", 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::route::Kind;

/// Upper ends of the classes of latency, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0];

/// Counts what happens. Shared by all connections.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(Kind, u16), u64>>,
    latencies: [Latency; Kind::ALL.len()],
    sent: AtomicU64,
    received: AtomicU64,
    connections: AtomicU64,
    refused_connections: AtomicU64,
    damaged_blobs: AtomicU64,
    verified_blobs: AtomicU64,
}

#[derive(Default)]
struct Latency {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    microseconds: AtomicU64,
}

/// Numbers that are looked up when somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Uploads that are not finished.
    pub uploads: u64,
    /// Bytes that they take up.
    pub upload_bytes: u64,
    /// Bytes left in the file system of the store.
    pub free_bytes: u64,
    /// Bytes of all files in that file system.
    pub used_bytes: u64,
}

/// Counts an open connection until it is dropped.
pub struct OpenConnection<'a>(&'a Metrics);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

impl Metrics {
    /// A request was answered after `elapsed`.
    pub fn answered(&self, kind: Kind, status: u16, elapsed: Duration) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry((kind, status)).or_default() += 1;
        let latency = &self.latencies[kind as usize];
        let seconds = elapsed.as_secs_f64();
        if let Some(bucket) = BUCKETS.iter().position(|end| seconds <= *end) {
            latency.buckets[bucket].fetch_add(1, Relaxed);
        }
        latency.count.fetch_add(1, Relaxed);
        latency.microseconds.fetch_add(elapsed.as_micros() as u64, Relaxed);
    }

    /// So many bytes of bodies went out.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
    }

    /// So many bytes of bodies came in.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Relaxed);
    }

    /// A connection was accepted.
    pub fn connection(&self) -> OpenConnection<'_> {
        self.connections.fetch_add(1, Relaxed);
        OpenConnection(self)
    }

    /// A connection was over a limit.
    pub fn refused_connection(&self) {
        self.refused_connections.fetch_add(1, Relaxed);
    }

    /// A blob in the store turned out to be damaged.
    pub fn damaged_blob(&self) {
        self.damaged_blobs.fetch_add(1, Relaxed);
    }

    /// A blob was read for no other reason than to see whether it is right, and it was.
    pub fn verified_blob(&self) {
        self.verified_blobs.fetch_add(1, Relaxed);
    }

    /// Everything, as Prometheus reads it.
    pub fn text(&self, level: Level) -> String {
        let mut text = String::new();
        self.write_requests(&mut text);
        self.write_latencies(&mut text);
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        for (name, kind, help, value) in [
            ("sent_bytes_total", "counter", "Bytes of bodies sent.", load(&self.sent)),
            ("received_bytes_total", "counter", "Bytes of bodies received.", load(&self.received)),
            ("connections", "gauge", "Open connections.", load(&self.connections)),
            (
                "connections_refused_total",
                "counter",
                "Connections over a limit.",
                load(&self.refused_connections),
            ),
            (
                "damaged_blobs_total",
                "counter",
                "Blobs that were not what their name says.",
                load(&self.damaged_blobs),
            ),
            (
                "verified_blobs_total",
                "counter",
                "Blobs read to see whether they are right, and they were.",
                load(&self.verified_blobs),
            ),
            ("uploads", "gauge", "Uploads that are not finished.", level.uploads),
            ("upload_bytes", "gauge", "Bytes of unfinished uploads.", level.upload_bytes),
            ("store_free_bytes", "gauge", "Bytes left in the file system of the store.", level.free_bytes),
            ("store_used_bytes", "gauge", "Bytes used in the file system of the store.", level.used_bytes),
        ] {
            head(&mut text, name, kind, help);
            line(&mut text, name, "", value);
        }
        text
    }

    fn write_requests(&self, text: &mut String) {
        head(text, "requests_total", "counter", "Requests answered.");
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((kind, status), count) in requests {
            let labels = format!("{{route=\"{}\",status=\"{status}\"}}", kind.name());
            line(text, "requests_total", &labels, count);
        }
    }

    fn write_latencies(&self, text: &mut String) {
        head(
            text,
            "request_seconds",
            "histogram",
            "Time from the head of a request to the end of its answer.",
        );
        for (kind, latency) in Kind::ALL.iter().zip(&self.latencies) {
            let count = latency.count.load(Relaxed);
            if count == 0 {
                continue;
            }
            let route = kind.name();
            let mut below = 0;
            for (end, bucket) in BUCKETS.iter().zip(&latency.buckets) {
                below += bucket.load(Relaxed);
                line(text, "request_seconds_bucket", &format!("{{route=\"{route}\",le=\"{end}\"}}"), below);
            }
            line(text, "request_seconds_bucket", &format!("{{route=\"{route}\",le=\"+Inf\"}}"), count);
            let seconds = latency.microseconds.load(Relaxed) as f64 / 1e6;
            line(text, "request_seconds_sum", &format!("{{route=\"{route}\"}}"), seconds);
            line(text, "request_seconds_count", &format!("{{route=\"{route}\"}}"), count);
        }
    }
}

// Writing to a String cannot fail.
fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP airlock_registry_{name} {help}\n# TYPE airlock_registry_{name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "airlock_registry_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up_and_connections_come_and_go() {
        let metrics = Metrics::default();
        metrics.answered(Kind::Manifest, 200, Duration::from_millis(2));
        metrics.answered(Kind::Manifest, 200, Duration::from_millis(20));
        metrics.answered(Kind::Manifest, 404, Duration::from_secs(3600));
        metrics.sent(7);
        let open = metrics.connection();
        let text = metrics.text(Level { uploads: 3, ..Level::default() });
        for line in [
            "requests_total{route=\"manifest\",status=\"200\"} 2",
            "requests_total{route=\"manifest\",status=\"404\"} 1",
            "request_seconds_bucket{route=\"manifest\",le=\"0.005\"} 1",
            "request_seconds_bucket{route=\"manifest\",le=\"600\"} 2",
            "request_seconds_bucket{route=\"manifest\",le=\"+Inf\"} 3",
            "request_seconds_sum{route=\"manifest\"} 3600.022",
            "connections 1",
            "sent_bytes_total 7",
            "uploads 3",
        ] {
            assert!(text.contains(&format!("airlock_registry_{line}\n")), "{line} is not in\n{text}");
        }
        drop(open);
        assert!(metrics.text(Level::default()).contains("airlock_registry_connections 0\n"));
    }

    #[test]
    fn kinds_have_the_numbers_of_their_places() {
        assert!(Kind::ALL.iter().enumerate().all(|(index, kind)| *kind as usize == index));
    }
}
