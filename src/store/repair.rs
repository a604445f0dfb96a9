//! Replaces damaged and missing blobs by good ones from elsewhere: a bundle, another node, a registry.

mod owners;
mod places;
mod remote;

use std::sync::Arc;

use serde::Serialize;
use tokio::runtime::Handle;

pub use self::places::Servers;
pub use self::remote::Remote;

use self::owners::Owner;
use super::Store;
use super::incoming::{Incoming, Patience};
use super::verify::Damage;
use crate::bundle::{Bundle, Verified};
use crate::error::{Error, Kind, Result, codes};
use crate::oci::digest::ContentDigest;
use crate::progress::{Event, Progress, Stage};

/// More than anybody wants to read; the rest is only counted.
const MAX_DETAILS: usize = 100;

/// Where good blobs come from. None of them is believed: what they give is hashed.
pub enum Source {
    /// A bundle.
    Bundle(Arc<Bundle<Verified>>),
    /// Servers, asked over HTTP.
    Remote(Remote),
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repaired {
    /// Blobs that are right now.
    pub repaired: Vec<ContentDigest>,
    /// Blobs that are still damaged or missing, with the reason.
    pub left: Vec<Left>,
}

/// A blob that could not be repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub digest: ContentDigest,
    /// Why it could not be repaired.
    pub why: String,
}

impl Repaired {
    /// The error that names what is left; nothing if all is well.
    ///
    /// # Errors
    /// [`codes::STORE_REPAIR`], with a line for each of the first blobs that are left.
    pub fn into_result(self) -> Result<Repaired> {
        if self.left.is_empty() {
            return Ok(self);
        }
        let (left, all) = (self.left.len(), self.left.len() + self.repaired.len());
        let message = format!("{left} of {all} blobs could not be repaired");
        let error = Error::new(codes::STORE_REPAIR, message).with_help(
            "take the rest from somewhere else: `airlock store repair --from` another bundle, `https://NODE:5000`, \
             or `registry://HOST`",
        );
        let shown = self.left.iter().take(MAX_DETAILS);
        let error =
            shown.fold(error, |error, left| error.with_detail(format!("{}: {}", left.digest, left.why)));
        let more = left.saturating_sub(MAX_DETAILS);
        Err(if more > 0 { error.with_detail(format!("and {more} more")) } else { error })
    }

    fn leave(&mut self, digest: ContentDigest, error: &Error) {
        let mut why = error.message().to_owned();
        for cause in error.causes().first().into_iter().chain(error.details()) {
            why.push_str(": ");
            why.push_str(cause);
        }
        self.left.push(Left { digest, why });
    }
}

impl Store {
    /// Replaces what a check found, as far as `source` has it. Waits for the network on the runtime that
    /// `runtime` belongs to, so it must not be called from one of its tasks. Reports to [`Stage::Repair`].
    ///
    /// # Errors
    /// Of the store itself, of settings and files of this machine, and of kind `Upstream` if the source was of no
    /// use at all. What it lacks or has wrong is in the result, and so is the rest if it fails on the way.
    pub fn repair(
        &self,
        damage: &[Damage],
        source: &Source,
        runtime: &Handle,
        progress: &dyn Progress,
    ) -> Result<Repaired> {
        progress.event(Event::Started { stage: Stage::Repair, bytes: None });
        let mut owners = match source {
            Source::Bundle(_) => Default::default(),
            Source::Remote(_) => self.owners(damage)?,
        };
        let mut repaired = Repaired::default();
        let mut trouble = None;
        for Damage { digest, .. } in damage {
            let owners = owners.remove(digest).unwrap_or_default();
            match self.replace(*digest, source, &owners, runtime) {
                Ok(bytes) => {
                    progress.event(Event::Advanced { stage: Stage::Repair, bytes });
                    repaired.repaired.push(*digest);
                }
                Err(error) if !is_about_source(&error) => return Err(error),
                Err(error) => {
                    repaired.leave(*digest, &error);
                    trouble = trouble.or(Some(error).filter(is_out_of_order));
                }
            }
        }
        progress.event(Event::Finished { stage: Stage::Repair });
        match trouble {
            Some(error) if repaired.repaired.is_empty() => Err(error),
            _ => Ok(repaired),
        }
    }

    /// Replaces one blob, and tells its length. Nothing changes unless all bytes that came are right.
    fn replace(
        &self,
        digest: ContentDigest,
        source: &Source,
        owners: &[Owner],
        runtime: &Handle,
    ) -> Result<u64> {
        // Whoever waits gets it.
        let incoming = Incoming::open(self, digest, Patience::Wait)?;
        let mut incoming = incoming.ok_or_else(|| lacking(&digest, "the source"))?;
        let brought = match source {
            Source::Bundle(bundle) => from_bundle(bundle, digest, &mut incoming),
            Source::Remote(remote) => runtime.block_on(remote.bring(digest, owners, &mut incoming)),
        };
        match brought {
            Ok(()) => {
                let length = incoming.length();
                incoming.commit().map(|()| length)
            }
            Err(error) => {
                incoming.give_up();
                Err(error)
            }
        }
    }
}

fn from_bundle(bundle: &Bundle<Verified>, digest: ContentDigest, incoming: &mut Incoming<'_>) -> Result<()> {
    let Some(reader) = digest.sha256().and_then(|digest| bundle.blob_reader(digest).ok()) else {
        return Err(lacking(&digest, "the bundle"));
    };
    let path = incoming.file().path().to_owned();
    reader.for_each(|bytes| incoming.write(bytes).map_err(|error| super::files::failed(&path, error)))
}

fn lacking(digest: &ContentDigest, whom: &str) -> Error {
    Error::new(codes::STORE_REPAIR, format!("{whom} does not have blob {digest}"))
        .with_help("take it from somewhere else with `--from`")
}

/// Whether an error tells something about a source, so that the other blobs are worth a try. What else can go wrong
/// is of this machine: a full disk, a certificate file that cannot be read.
fn is_about_source(error: &Error) -> bool {
    matches!(error.kind(), Kind::Upstream | Kind::Corrupt | Kind::Partial)
        || [codes::OCI_DOCUMENT, codes::BUNDLE_READ].contains(&error.code())
}

/// Whether a source is of no use, rather than to lack a blob.
fn is_out_of_order(error: &Error) -> bool {
    let about_one_blob = [codes::FETCH_NOT_FOUND, codes::FETCH_LENGTH, codes::FETCH_ANSWER];
    error.kind() == Kind::Upstream && !about_one_blob.contains(&error.code())
}
