//! Puts right what [`verify`](super::verify) has found, in rounds: blobs of the store come again from wherever they
//! are, then its record is written again, then the steps of the installation do the rest. A round that fails does
//! not keep the next ones from doing what they can.

pub mod blobs;
pub mod record;

use serde::Serialize;
use tokio::runtime::Handle;

use self::blobs::{Blobs, Place};
use self::record::Record;
use super::driver::Done;
use super::install::{self, Context};
use super::machine::Machine;
use super::packages::Reinstall;
use super::run;
use super::settings::Registry;
use super::step::Step;
use super::verify::{Finding, Report, signature};
use crate::bundle::signed::SignedManifest;
use crate::error::{Error, Kind, Result, codes};
use crate::progress::Progress;

/// The command, as locks, journals and messages name it.
pub const COMMAND: &str = "node repair";

/// Steps of an installation that a repair does without. The store is brought back by rounds of its own; and a step
/// that only looks whether all images are there would keep those behind it from what they can do.
const LEFT_OUT: [&str; 2] = ["store", "images"];

/// What a repair takes good things from.
pub struct Sources {
    /// Places that may have good blobs, the best first.
    pub blobs: Vec<Place>,
    /// The manifest of the bundle with its signatures, if somebody has it.
    pub signed: Option<SignedManifest>,
    /// Where downloads are waited for.
    pub runtime: Handle,
}

/// Steps that are done together; the next round is done whatever becomes of this one.
pub type Round = Vec<Box<dyn Step>>;

/// What a repair did.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repaired {
    /// The steps that changed something.
    pub changed: Vec<&'static str>,
    /// The step that needs a restart of the machine, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_for: Option<&'static str>,
    /// What kept rounds from their end.
    #[serde(skip)]
    pub failures: Vec<Error>,
}

/// The rounds that put right what a report says.
///
/// # Errors
/// Those of [`install::steps`], and of the lists of signers.
pub fn rounds(context: &Context, report: &Report, sources: Sources) -> Result<Vec<Round>> {
    let mut rounds: Vec<Round> = Vec::new();
    if matches!(context.settings.registry, Registry::Own { in_place: false, .. }) {
        let manifest = context.origin.manifest().clone();
        let (digest, policy) = (context.origin.digest(), signature::policy(context)?);
        let Sources { blobs, signed, runtime } = sources;
        if !report.damage.is_empty() {
            let damage = report.damage.clone();
            rounds.push(vec![Box::new(Blobs { manifest: manifest.clone(), damage, places: blobs, runtime })]);
        }
        rounds.push(vec![Box::new(Record { manifest, digest, policy, signed })]);
    }
    let mut rest: Round = Vec::new();
    let reinstall = context.packages.as_ref().and_then(|packages| Reinstall::of(packages, &report.modified));
    rest.extend(reinstall.map(|step| Box::new(step) as Box<dyn Step>));
    rest.extend(install::steps(context)?.into_iter().filter(|step| !LEFT_OUT.contains(&step.name())));
    rounds.push(rest);
    Ok(rounds)
}

/// Does all rounds, each under the lock and with the journal.
///
/// # Errors
/// [`codes::NODE_BUSY`] and interruptions; other failures are in the result.
pub fn repair(rounds: &[Round], machine: &Machine, progress: &dyn Progress) -> Result<Repaired> {
    let mut repaired = Repaired::default();
    for round in rounds {
        match repair_round(round, machine, progress) {
            Ok(done) => {
                repaired.changed.extend(done.changed);
                repaired.reboot_for = done.reboot_for;
            }
            Err(error) if matches!(error.kind(), Kind::Busy | Kind::Interrupted) => return Err(error),
            Err(error) => repaired.failures.push(error),
        }
    }
    Ok(repaired)
}

/// A run ends where it has put the program of the bundle in place. A repair does not install: whichever program it was
/// started with goes on.
fn repair_round(round: &Round, machine: &Machine, progress: &dyn Progress) -> Result<Done> {
    let mut done = run::run(COMMAND, round, machine, progress)?;
    if done.handover {
        let before = done.changed;
        done = run::run(COMMAND, round, machine, progress)?;
        done.changed.splice(..0, before);
    }
    Ok(done)
}

impl Repaired {
    /// The error that says what is left according to the check afterwards; nothing if nothing is.
    ///
    /// # Errors
    /// [`codes::NODE_REPAIR`] with what is left and what kept it; the only failure itself if nothing else is left.
    pub fn into_result(mut self, after: &Report) -> Result<()> {
        if after.is_clean() {
            return self.failures.pop().map_or(Ok(()), Err);
        }
        let count = after.findings().count();
        let things = if count == 1 { "one thing".to_owned() } else { format!("{count} things") };
        let help = self.failures.iter().find_map(Error::help).map(str::to_owned);
        let error = Error::new(codes::NODE_REPAIR, format!("{things} on this node could not be repaired"));
        let failures = self.failures.iter().flat_map(|failure| {
            std::iter::once(failure.message()).chain(failure.details().iter().map(String::as_str))
        });
        let error = failures.fold(error, Error::with_detail);
        let is_told = |finding: &Finding, error: &Error| {
            error.details().iter().any(|detail| detail.contains(&finding.what))
        };
        let error = after.findings().fold(error, |error, (_, finding)| match is_told(finding, &error) {
            true => error,
            false => error.with_detail(format!("{}: {}", finding.what, finding.differs)),
        });
        let first = after.findings().next().map(|(_, finding)| finding.repair.clone());
        Err(help.or(first).into_iter().fold(error, Error::with_help))
    }
}
