//! A bundle that comes over the connection of `airlock cluster`: asked for first, then taken into the store.

pub mod patience;
pub mod stream;

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::stream::{Blobs, Lacks};
use super::change::{Change, Verb};
use super::machine::Machine;
use super::owned::Owned;
use super::registry::STORE;
use super::run;
use super::step::{Outcome, Step, names};
use super::work::Work;
use crate::bundle::names as bundle_names;
use crate::bundle::signed::{SignedManifest, VerifiedManifest};
use crate::error::{Result, codes};
use crate::progress::Progress;
use crate::store::receive::{self as reception, Received};
use crate::store::{Signed, Store};

/// The command, as locks, journals and messages name it.
pub const COMMAND: &str = "node receive";

/// A slow line with a large bundle takes hours.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the store of a machine lacks of a bundle that is believed. Changes nothing.
///
/// # Errors
/// Those of [`reception::lacking`].
pub fn plan(machine: &Machine, verified: &VerifiedManifest, progress: &dyn Progress) -> Result<Lacks> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let VerifiedManifest { manifest, digest, .. } = verified;
    let lacking = reception::lacking(&machine.path(STORE), digest, manifest, threads, progress)?;
    Ok(Lacks::new(verified, &lacking))
}

/// Takes a bundle that is believed into the store of a machine, under its lock and with its journal. Its blobs are read
/// from `input`. Nothing is read if the store has all of it.
///
/// # Errors
/// [`codes::NODE_BUSY`]; those of [`Store::receive`].
pub fn receive(
    machine: &Machine,
    signed: SignedManifest,
    verified: VerifiedManifest,
    input: Box<dyn Read + Send>,
    progress: &dyn Progress,
) -> Result<Received> {
    let received = Arc::default();
    let step = Receive { signed, verified, input: Mutex::new(input), received: Arc::clone(&received) };
    run::run(COMMAND, &[Box::new(step)], machine, progress)?;
    let received = *received.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(received)
}

/// The step that takes a bundle into the store.
struct Receive {
    /// Its manifest as it was signed.
    signed: SignedManifest,
    /// The same, believed.
    verified: VerifiedManifest,
    /// Where its blobs come from: read once.
    input: Mutex<Box<dyn Read + Send>>,
    /// Gets to know what has come.
    received: Arc<Mutex<Received>>,
}

impl Receive {
    fn bundle(&self) -> String {
        let manifest = &self.verified.manifest;
        bundle_names::stem(&manifest.name, &manifest.version)
    }
}

impl Step for Receive {
    fn name(&self) -> &'static str {
        names::STORE
    }

    fn title(&self) -> String {
        format!("Receive {} into the store", self.bundle())
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let VerifiedManifest { manifest, digest, .. } = &self.verified;
        let is_there = match Store::open(&machine.path(STORE)) {
            Err(error) if error.code() == codes::STORE_MISSING => false,
            store => store?.has_bundle(digest, manifest)?,
        };
        let change = || Change::new(Verb::Import, self.bundle()).with_detail(format!("into {STORE}"));
        Ok(if is_there { Vec::new() } else { vec![change()] })
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.own(Owned::Tree { path: STORE.to_owned() })?;
        let store = Store::create(&work.machine().path(STORE))?;
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = &self.verified.manifest;
        let progress = work.progress();
        let received = crate::read_ahead::read_ahead(&mut **input, |ahead| {
            let mut blobs = Blobs::new(manifest, ahead);
            store.receive(&Signed::from(&self.signed), manifest, &mut blobs, progress)
        })?;
        *self.received.lock().unwrap_or_else(PoisonError::into_inner) = received;
        Ok(Outcome::Done)
    }
}
