//! What long work tells the outside while it runs. The library emits events; `ui::progress` draws them.

use std::fmt;

use serde::Deserialize;

use crate::error::Error;

/// A stretch of work with its own total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Tags, channels and URLs are turned into digests.
    Resolve,
    /// Blobs are brought into the cache.
    Fetch,
    /// Volumes are written to the target.
    Write,
    /// Written volumes are read back and compared.
    Check,
    /// A bundle is verified.
    Verify,
    /// Something is copied out of a bundle.
    Extract,
    /// The real apt tries the packages.
    Prove,
    /// A bundle is copied into a store.
    Import,
    /// Damaged blobs of a store are replaced.
    Repair,
    /// Blobs are sent to a registry, or a bundle to a node.
    Push,
}

/// One thing that happened.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the text of a variant explains its fields")]
pub enum Event<'a> {
    /// A stage begins; `bytes` is its total where it is known already.
    Started { stage: Stage, bytes: Option<u64> },
    /// The total of a stage became known or grew.
    Total { stage: Stage, bytes: u64 },
    /// Work on one named thing begins: an image, a file, a volume.
    ItemStarted { stage: Stage, name: &'a str },
    /// Work on it ended well.
    ItemFinished { stage: Stage, name: &'a str },
    /// So many more bytes of the stage are done for good. Never counted twice, never taken back.
    Advanced { stage: Stage, bytes: u64 },
    /// The stage ended well.
    Finished { stage: Stage },
    /// Something the user should know although the work goes on: a retry, a wait, a moved tag.
    Warning { text: &'a str },
    /// Something that was done on the way and is worth a line, such as a change of the lock.
    Note { text: &'a str },
    /// A step of a plan begins: its name in the plan, and its heading.
    StepStarted { step: &'a str, title: &'a str },
    /// The step ended, and the machine is as it should be.
    StepFinished { step: &'a str, title: &'a str },
    /// A server has answered a request.
    Served(&'a Served<'a>),
    /// Work on one of several hosts begins; `what` it is, in words.
    HostStarted { host: &'a str, what: &'a str },
    /// Something happened in that work.
    OnHost { host: &'a str, event: &'a Event<'a> },
    /// The work on a host ended well; `what` came of it.
    HostFinished { host: &'a str, what: &'a str },
    /// It failed. The others go on.
    HostFailed { host: &'a str, error: &'a Error },
}

/// A request that a server has answered.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// Who asked: an address, or `unix`.
    pub client: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// Its path and query; as foreign as text can be.
    pub target: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the body that went out.
    pub bytes: u64,
    /// From the head of the request to the end of the answer.
    pub elapsed: std::time::Duration,
}

impl fmt::Display for Served<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Served { client, method, target, status, bytes, elapsed } = self;
        let milliseconds = elapsed.as_secs_f64() * 1e3;
        write!(formatter, "{client} {method} {target} {status} {bytes} B {milliseconds:.1} ms")
    }
}

/// Receives events, from any thread. Must return quickly.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event<'_>);
}

/// Listens to nothing.
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event<'_>) {}
}
