//! What `bundle build --prove` does between resolving and building.

use super::workshop::Workshop;
use crate::build::resolve::Resolved;
use crate::cli::session::Session;
use crate::error::Result;
use crate::lock::apt::{Apt, Evidence};
use crate::prove::precondition;
use crate::prove::targets::prove_all;

/// Tells before anything is fetched that a proof cannot run here.
pub(super) async fn check(workshop: &Workshop, session: &Session) -> Result<()> {
    if workshop.spec.apt.is_empty() {
        session.warn("there is nothing to prove: bundle.yaml has no section `apt`");
    }
    for target in &workshop.spec.apt {
        precondition::check(target.platform).await?;
    }
    Ok(())
}

/// Lets the real apt try what was resolved, and puts what it says into the lock.
pub(super) async fn add(workshop: &Workshop, resolved: &mut Resolved) -> Result<()> {
    let Resolved { apt, lock, .. } = resolved;
    prove_all(&workshop.resolver.bench(), &workshop.spec.apt, apt, &mut lock.apt).await
}

/// The evidence about a target in one line.
pub(super) fn line(target: &Apt) -> Option<String> {
    let Evidence { apt, installed, output, .. } = target.evidence.as_ref()?;
    let how = if *installed { "installed by" } else { "simulated by" };
    let summary = output.first().map_or("", |line| line.trim_end_matches('.'));
    Some(format!("{} {how} {apt}: {summary}", target.name))
}
