//! The container toolkit: four packages that need each other in one version, strictly so since 1.18.
//!
//! NVIDIA's repository keeps all versions. apt takes the newest of each package unless every one is pinned, and then
//! finds that they do not fit.

use super::Wanted;
use super::catalogue::Catalogue;
use super::release::listed;
use crate::bundle::manifest::apt::Purpose;
use crate::debian::version::Version;
use crate::error::{Error, Result, codes};
use crate::spec::nvidia::{ContainerToolkit, help};

/// The first one is what others ask for.
const PACKAGES: [&str; 4] = [
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
];

/// Adds the toolkit in the version asked for, or in the latest in which all four are there.
///
/// # Errors
/// [`codes::NVIDIA_TOOLKIT`] if there is no such version.
pub(super) fn add(wish: &ContainerToolkit, catalogue: Catalogue<'_, '_>, wanted: &mut Wanted) -> Result<()> {
    let complete: Vec<Version<'_>> = catalogue
        .versions(PACKAGES[0])
        .map(|package| package.version)
        .filter(|version| is_complete(catalogue, version))
        .collect();
    let is_wanted =
        |version: &&Version<'_>| wish.version.as_deref().is_none_or(|wanted| wanted == version.upstream());
    let version = complete.iter().find(is_wanted).ok_or_else(|| missing(wish, catalogue, &complete))?;
    for name in PACKAGES {
        wanted.ask_exactly(Purpose::ContainerToolkit, name, version.as_str());
    }
    wanted.record.container_toolkit = Some(version.upstream().to_owned());
    Ok(())
}

fn is_complete(catalogue: Catalogue<'_, '_>, version: &Version<'_>) -> bool {
    let has = |name| catalogue.versions(name).any(|package| package.version.as_str() == version.as_str());
    PACKAGES.into_iter().all(has)
}

fn missing(wish: &ContainerToolkit, catalogue: Catalogue<'_, '_>, complete: &[Version<'_>]) -> Error {
    let asked = wish.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let message = format!("no repository has the container toolkit{asked}");
    if !complete.is_empty() {
        let known = listed(complete.iter().map(|version| version.upstream()));
        return Error::new(codes::NVIDIA_TOOLKIT, message)
            .with_help(format!("write one of these under `containerToolkit`: {known}"));
    }
    let mut error = Error::new(codes::NVIDIA_TOOLKIT, format!("{message}, all four packages of one version"));
    for name in PACKAGES {
        let versions: Vec<&str> = catalogue.versions(name).map(|package| package.version.as_str()).collect();
        let known = if versions.is_empty() { "not there".to_owned() } else { listed(versions) };
        error = error.with_detail(format!("{name}: {known}"));
    }
    error.with_help(help::toolkit())
}
