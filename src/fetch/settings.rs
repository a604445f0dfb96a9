//! What a client is made from. All of it is given by the caller: the library reads no environment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::credentials::{CredentialSource, NoCredentials};
use super::proxies::Proxies;
use crate::progress::{Progress, Silent};
use crate::spec::HostSettings;

/// Everything a [`Client`](super::Client) needs to know.
#[derive(Clone)]
pub struct Settings {
    /// How to reach hosts, by host (and port, unless it is the usual one) as in image references.
    pub hosts: BTreeMap<String, HostSettings>,
    /// Certificate authorities in PEM to trust for hosts, besides the system's; named as in `hosts`, and used
    /// where those name no file.
    pub authorities: BTreeMap<String, Vec<u8>>,
    /// Where user names and passwords come from.
    pub credentials: Arc<dyn CredentialSource>,
    /// Proxies to go through.
    pub proxies: Proxies,
    /// How long to wait for a server.
    pub timeouts: Timeouts,
    /// How often to ask a server again.
    pub retry: RetryPolicy,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// Hears of retries, waits and certificates that are not checked.
    pub progress: Arc<dyn Progress>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            hosts: BTreeMap::new(),
            authorities: BTreeMap::new(),
            credentials: Arc::new(NoCredentials),
            proxies: Proxies::default(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            user_agent: concat!("airlock/", env!("CARGO_PKG_VERSION")).to_owned(),
            progress: Arc::new(Silent),
        }
    }
}

/// How long to wait for a server before the attempt counts as failed.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the head of an answer, from the moment the request is made.
    pub answer: Duration,
    /// For [`stall_bytes`](Self::stall_bytes) bytes of a body. Time spent in the sink does not count.
    pub stall: Duration,
    /// Fewer bytes than this within [`stall`](Self::stall) are as bad as none (slowloris).
    pub stall_bytes: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            stall_bytes: 1024,
        }
    }
}

/// How often and in which rhythm a server is asked again after failures that may pass.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts without progress before giving up, the first included.
    pub attempts: usize,
    /// Pause after the first failure; it doubles each time and is lengthened at random by up to its length.
    pub base_delay: Duration,
    /// Longest pause that is chosen by us.
    pub longest_delay: Duration,
    /// Longest pause that a server may ask for by `Retry-After`; beyond it the run ends, to be continued later.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            attempts: 5,
            base_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(30),
            longest_wait: Duration::from_secs(3600),
        }
    }
}
