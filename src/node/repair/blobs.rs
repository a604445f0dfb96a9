//! Brings damaged and missing blobs of the store again, from one place after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::bundle::manifest::{Blob, Manifest};
use crate::bundle::names;
use crate::error::{Error, Kind, Result, codes};
use crate::node::change::{Change, Verb};
use crate::node::machine::Machine;
use crate::node::owned::Owned;
use crate::node::registry::STORE;
use crate::node::step::{self, Outcome, Step};
use crate::node::work::Work;
use crate::oci::digest::ContentDigest;
use crate::progress::Silent;
use crate::store::Store;
use crate::store::repair::{Repaired, Source};
use crate::store::verify::Damage;

/// A slow stick with a large bundle takes hours.
const DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// Most blobs that are named.
const NAMED: usize = 50;

/// Somewhere that may have good blobs.
pub struct Place {
    /// In words: `/media/stick`, `https://10.0.0.1:5443`.
    pub name: String,
    /// The way to it.
    pub source: Source,
}

/// The step that replaces blobs.
pub struct Blobs {
    /// The manifest of the bundle that has them.
    pub manifest: Manifest,
    /// Those that were found damaged or missing. Only these are read again.
    pub damage: Vec<Damage>,
    /// Where good ones may be, the best first.
    pub places: Vec<Place>,
    /// Where downloads are waited for.
    pub runtime: Handle,
}

impl Blobs {
    fn blobs(&self) -> Vec<Blob> {
        let damaged: BTreeSet<ContentDigest> = self.damage.iter().map(|damage| damage.digest).collect();
        let is_damaged = |blob: &&Blob| damaged.contains(&blob.digest.into());
        self.manifest.blobs.iter().filter(is_damaged).copied().collect()
    }

    /// Which of them are still not what they should be.
    fn left(&self, machine: &Machine) -> Result<Vec<Damage>> {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        match Store::open(&machine.path(STORE)) {
            Err(error) if error.code() == codes::STORE_MISSING => Ok(self.damage.clone()),
            Err(error) => Err(error),
            Ok(store) => Ok(store.verify_blobs(&self.manifest, &self.blobs(), threads, &Silent)?.damage),
        }
    }

    fn bundle(&self) -> String {
        names::stem(&self.manifest.name, &self.manifest.version)
    }

    /// The error that names every blob that nobody has, who needs it, and what to bring.
    fn not_found(&self, left: &[Damage], reasons: &BTreeMap<ContentDigest, Vec<String>>) -> Error {
        let message =
            format!("{} of {} blobs of the store could not be repaired", left.len(), self.damage.len());
        let bundle = self.bundle();
        let error = Error::new(codes::NODE_REPAIR, message).with_help(format!(
            "bring the medium of {bundle}: `airlock node repair --from MEDIUM`; or name a node that has it: \
             `--from https://HOST:5443`"
        ));
        let error = left.iter().take(NAMED).fold(error, |error, damage| {
            let reasons = reasons.get(&damage.digest).map(|reasons| reasons.join("; "));
            let why = reasons.unwrap_or_else(|| "no medium is there, and no other node is named".to_owned());
            error.with_detail(format!("{damage}: {why}"))
        });
        match left.len().saturating_sub(NAMED) {
            0 => error,
            more => error.with_detail(format!("and {more} more")),
        }
    }
}

impl Step for Blobs {
    fn name(&self) -> &'static str {
        step::names::STORE_BLOBS
    }

    fn title(&self) -> String {
        format!("Bring damaged blobs of {} again", self.bundle())
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    fn check(&self, machine: &Machine) -> Result<Vec<Change>> {
        let sizes: BTreeMap<ContentDigest, u64> =
            self.blobs().iter().map(|blob| (blob.digest.into(), blob.size)).collect();
        let change = |damage: Damage| {
            let change = Change::new(Verb::Replace, format!("blob {}", damage.digest));
            let change = match damage.needed_by.as_slice() {
                [] => change,
                needed_by => change.with_detail(format!("needed by {}", needed_by.join(", "))),
            };
            sizes.get(&damage.digest).copied().into_iter().fold(change, Change::with_bytes)
        };
        Ok(self.left(machine)?.into_iter().map(change).collect())
    }

    fn act(&self, work: &mut Work<'_>) -> Result<Outcome> {
        work.own(Owned::Tree { path: STORE.to_owned() })?;
        let mut left = self.left(work.machine())?;
        let store = Store::create(&work.machine().path(STORE))?;
        let mut reasons = BTreeMap::<ContentDigest, Vec<String>>::new();
        for Place { name, source } in &self.places {
            if left.is_empty() {
                break;
            }
            match store.repair(&left, source, &self.runtime, work.progress()) {
                Ok(Repaired { repaired, left: lacking }) => {
                    work.note(&format!("{} blobs came from {name}", repaired.len()));
                    let repaired: BTreeSet<_> = repaired.into_iter().collect();
                    left.retain(|damage| !repaired.contains(&damage.digest));
                    for lacking in lacking {
                        reasons.entry(lacking.digest).or_default().push(format!("{name}: {}", lacking.why));
                    }
                }
                Err(error) if error.kind() == Kind::Upstream => {
                    let why = format!("{name}: {}", error.message());
                    left.iter()
                        .for_each(|damage| reasons.entry(damage.digest).or_default().push(why.clone()));
                }
                Err(error) => return Err(error),
            }
        }
        if left.is_empty() { Ok(Outcome::Done) } else { Err(self.not_found(&left, &reasons)) }
    }
}
