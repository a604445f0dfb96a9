//! The digest of everything that decides which packages a target gets, as far as it stands in the spec and in files
//! it names. While it stays the same, a lock entry answers the target.

use serde_json::{Value, json};

use super::upstream::at;
use super::{Bench, baseline, keys};
use crate::debian::openpgp::Fingerprint;
use crate::debian::universe::pins::{Pin, PinTarget};
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::spec::apt::{Archive, Baseline, Repository, SignedBy, Target};
use crate::spec::nvidia::{DriverSource, Flavour, Nvidia};

/// The digest for `target`. Lines do not count, nor does the mirror that this machine uses.
///
/// # Errors
/// If a keyring or a status file cannot be read.
pub(super) fn digest(bench: &Bench<'_>, target: &Target, nvidia: Option<&Nvidia>) -> Result<Digest> {
    let of_repository = |repository: &Repository| {
        of_repository(bench, repository).map_err(|error| at(error, repository.line))
    };
    let repositories: Result<Vec<Value>> = target.repositories.iter().map(of_repository).collect();
    let request = json!({
        "host": target.host,
        "platform": target.platform.to_string(),
        "baseline": of_baseline(bench, &target.baseline).map_err(|error| at(error, target.line))?,
        "archive": of_archive(bench, &target.archive).map_err(|error| at(error, target.line))?,
        "repositories": repositories?,
        "packages": target.packages.iter().map(|wish| &wish.text).collect::<Vec<_>>(),
        "recommends": target.recommends,
        "pins": target.pins.iter().map(of_pin).collect::<Vec<_>>(),
        "holds": target.holds,
        "nvidia": nvidia.map(of_nvidia),
    });
    let bytes = serde_json::to_vec(&request).map_err(|cause| {
        Error::new(codes::INTERNAL, "a request for packages cannot be written").with_source(cause)
    })?;
    Ok(Digest::of(&bytes))
}

fn of_baseline(bench: &Bench<'_>, asked: &Baseline) -> Result<Value> {
    let content = match asked {
        Baseline::Status(path) => {
            Some(Digest::of(&baseline::status(&bench.directory.join(path), path)?).to_string())
        }
        Baseline::Essential | Baseline::Server | Baseline::Cloud => None,
    };
    Ok(json!([baseline::name(asked), content]))
}

fn of_archive(bench: &Bench<'_>, archive: &Archive) -> Result<Value> {
    let signed_by = archive.signed_by.as_ref().map(|keys| of_keys(bench, keys)).transpose()?;
    Ok(json!({
        "uri": archive.uri,
        "securityUri": archive.security_uri,
        "components": archive.components,
        "suites": archive.suites,
        "signedBy": signed_by,
        "allowExpired": archive.allow_expired,
    }))
}

fn of_repository(bench: &Bench<'_>, repository: &Repository) -> Result<Value> {
    Ok(json!({
        "uri": repository.uri,
        "suites": repository.suites,
        "components": repository.components,
        "signedBy": of_keys(bench, &repository.signed_by)?,
        "only": repository.only,
        "allowExpired": repository.allow_expired,
    }))
}

fn of_keys(bench: &Bench<'_>, signed_by: &SignedBy) -> Result<Value> {
    let shown =
        |fingerprints: &[Fingerprint]| fingerprints.iter().map(Fingerprint::to_string).collect::<Vec<_>>();
    Ok(match signed_by {
        SignedBy::File { path, fingerprints } => {
            json!([
                "file",
                Digest::of(&keys::bytes(&bench.directory.join(path))?).to_string(),
                shown(fingerprints)
            ])
        }
        SignedBy::Armored(text) => json!(["armored", Digest::of(text.as_bytes()).to_string()]),
        SignedBy::Url { url, fingerprints } => json!(["url", url, shown(fingerprints)]),
    })
}

fn of_pin(pin: &Pin) -> Value {
    let target = match &pin.target {
        PinTarget::Version(pattern) => json!(["version", pattern]),
        PinTarget::Release { suite, codename, origin, label, component } => {
            json!(["release", suite, codename, origin, label, component])
        }
        PinTarget::Site(site) => json!(["site", site]),
    };
    json!([pin.packages, target, pin.priority])
}

/// The image of the device plugin is no package.
fn of_nvidia(nvidia: &Nvidia) -> Value {
    let driver = nvidia.driver.as_ref().map(|driver| {
        let source = match &driver.source {
            DriverSource::Distribution => json!("distribution"),
            DriverSource::Cuda => json!("cuda"),
            DriverSource::RunFile { url, .. } => json!(["run", url]),
        };
        let open = driver.flavour == Flavour::Open;
        json!([source, driver.branch, driver.version, open, driver.kernels])
    });
    let toolkit = nvidia.container_toolkit.as_ref().map(|toolkit| json!([toolkit.version]));
    json!({ "driver": driver, "fabricManager": nvidia.fabric_manager, "containerToolkit": toolkit })
}

#[cfg(test)]
mod tests;
