//! Every byte that the registry of the node serves: blobs of its store, or the volumes of a bundle in place.

use std::num::NonZeroUsize;

use super::{Finding, Part};
use crate::bundle::check;
use crate::error::{Result, codes};
use crate::node::install::{Context, Place};
use crate::node::registry::STORE;
use crate::node::settings::Registry;
use crate::progress::{Progress, Stage};
use crate::store::Store;
use crate::store::verify::{Damage, Report};

/// How a volume in place comes back: it is the user's medium, on which nothing is written.
const VOLUME: &str = "copy the volume onto the medium again, or install a copy of the bundle: \
                      `airlock install MEDIUM --in-place=false`";

/// The blobs, and those of them that a repair has to bring.
pub(super) fn part(context: &Context, progress: &dyn Progress) -> Result<(Part, Vec<Damage>)> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    if let (Place::Medium { bundle, .. }, Registry::Own { in_place: true, .. }) =
        (&context.place, &context.settings.registry)
    {
        let report = bundle.check_all(threads, Stage::Verify, progress);
        return Ok((report.map_or_else(|error| failed(&error), volumes), Vec::new()));
    }
    let manifest = context.origin.manifest();
    let report = match Store::open(&context.machine.path(STORE)) {
        Err(error) if error.code() == codes::STORE_MISSING => Report::all_missing(manifest),
        Err(error) => return Ok((failed(&error), Vec::new())),
        Ok(store) => store.verify_blobs(manifest, &manifest.blobs, threads, progress)?,
    };
    let part = Part {
        checked: report.blobs,
        bytes: Some(report.bytes),
        findings: report.damage.iter().map(finding).collect(),
        ..Part::new("blobs", "blob")
    };
    Ok((part, report.damage))
}

fn failed(error: &crate::error::Error) -> Part {
    Part { findings: vec![Finding::failed("the blobs of the bundle", error)], ..Part::new("blobs", "blob") }
}

fn finding(damage: &Damage) -> Finding {
    let repair = match damage.unreadable {
        true => "look for I/O errors in `dmesg`; it comes again from the medium or another node",
        false => "it comes again from the medium, from another node, or from a registry: `--from`",
    };
    let finding = found(&format!("blob {}", damage.digest), &damage.to_string(), repair);
    Finding { unreadable: damage.unreadable, ..finding }
}

fn volumes(report: check::Report) -> Part {
    let findings = report.damage.iter().map(|damage| {
        let finding = found(&damage.file, &damage.to_string(), VOLUME);
        Finding { unreadable: damage.unreadable, ..finding }
    });
    Part {
        checked: report.blobs as u64,
        bytes: Some(report.bytes),
        findings: findings.collect(),
        ..Part::new("blobs", "blob")
    }
}

/// What is told of a thing names it; it is not named twice.
fn found(what: &str, told: &str, repair: &str) -> Finding {
    Finding::new(what, told.strip_prefix(what).unwrap_or(told).trim_start(), repair)
}
