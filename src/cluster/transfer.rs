//! Sends a bundle to a host, over the connection that there is: once, and only what its store lacks.
//!
//! First the host is asked with `airlock node receive --plan`, which verifies the signatures under the same terms as the
//! installation that follows; then `airlock node receive` takes the rest. A sending that was cut is continued by sending again.

mod content;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use self::content::Content;
use super::order::{self, Terms};
use super::remote::{self, Remote};
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Result, codes};
use crate::node::receive::stream::{self, Lacks};
use crate::progress::{Event, Progress, Stage};
use crate::read_ahead::read_ahead;
use crate::store::import::Supply as _;
use crate::store::receive::Received;

/// How long a host may take to say what it lacks: it reads what is there.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// A slow line with a large bundle takes hours.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// Blobs that were sent, or the rest of them.
    pub blobs: u64,
    /// Their bytes, as far as they were sent.
    pub bytes: u64,
    /// Bytes of the bundle that were there.
    pub present_bytes: u64,
}

/// Sends what the store of a host lacks of a bundle, each byte once. Reports to [`Stage::Push`]. Ends soon after `stop`
/// is set; the next sending goes on from there.
///
/// # Errors
/// Those of reading the bundle, of the connection, and of `airlock node receive`: trust, space, an older bundle;
/// [`codes::INTERRUPTED`].
pub fn send(
    remote: &dyn Remote,
    bundle: &Bundle<Verified>,
    terms: &Terms,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Sent> {
    let beginning = stream::beginning(&bundle.signed());
    let mut question = beginning.as_slice();
    let plan = order::receive_plan(terms).with_input(&mut question).within(LOOK);
    let lacks: Lacks = remote::ask(remote, plan)?;
    let lacking = lacks.blobs(bundle.manifest())?;
    let present_bytes = bundle.manifest().total_size().saturating_sub(lacks.bytes);
    if lacking.is_empty() {
        return Ok(Sent { present_bytes, ..Sent::default() });
    }
    progress.event(Event::Started { stage: Stage::Push, bytes: Some(lacks.bytes) });
    let mut content = Content::new(bundle, beginning, lacking, progress, stop);
    let answer = read_ahead(&mut content, |input| {
        remote.run(order::receive(terms).with_input(input).within(DEADLINE), &mut |_| {})
    });
    // What went wrong here is the cause of whatever the host says.
    content.into_result()?;
    let received: Received = answer?.success()?.json()?;
    progress.event(Event::Finished { stage: Stage::Push });
    Ok(Sent { blobs: received.blobs, bytes: received.bytes, present_bytes })
}

fn interrupted() -> Error {
    Error::new(codes::INTERRUPTED, "the bundle was not sent to its end")
        .with_help("run the same command again; it goes on from there")
}
