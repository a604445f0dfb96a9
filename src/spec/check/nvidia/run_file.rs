//! The installer `NVIDIA-Linux-MACHINE-VERSION.run`: its URL, its version, and for which machine it is.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::oci::digest::Digest;
use crate::oci::platform::Platform;
use crate::quote::quote;
use crate::spec::apt::Target;
use crate::spec::nvidia::{MACHINE, machine, run_file_url};
use crate::spec::raw::nvidia as raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::{Check, file, lacking, refused, url};
use super::driver::is_version;

/// The directory in which NVIDIA publishes one directory for each version.
const BASE_URL: &str = "https://us.download.nvidia.com/tesla";

/// What is known of an installer.
pub(super) struct RunFile {
    /// Without [`MACHINE`] if there is only one platform.
    pub url: String,
    pub digest: Option<Digest>,
    pub version: String,
}

/// The installer for these targets.
pub(super) fn run_file(
    check: &mut Check<'_>,
    entry: &Located<raw::Driver>,
    version: Option<String>,
    targets: &[&Target],
) -> Option<RunFile> {
    let raw = &entry.value;
    let platforms: BTreeSet<Platform> = targets.iter().map(|target| target.platform).collect();
    let typed = check.optional(raw.url.as_ref(), url::url);
    let digest = check.optional(raw.sha256.as_ref(), file::sha256);
    let typed = typed?;
    let version = check.keep(self::version(check.source, entry, version, typed.as_deref()));
    check.keep(is_for(check.source, raw, typed.as_deref(), &platforms))?;
    let version = version?;
    let url = typed.unwrap_or_else(|| format!("{BASE_URL}/{version}/NVIDIA-Linux-{MACHINE}-{version}.run"));
    let mut platforms = platforms.into_iter();
    let url = match (platforms.next(), platforms.next()) {
        (Some(only), None) => run_file_url(&url, only),
        _ => url,
    };
    Some(RunFile { url, digest: digest?, version })
}

/// As typed, else as the URL names it; never two different ones.
fn version(
    source: &Source<'_>,
    entry: &Located<raw::Driver>,
    version: Option<String>,
    url: Option<&str>,
) -> Result<String> {
    let in_url = url.and_then(name_parts).map(|(_, version)| version);
    match (version, in_url, &*entry.value.version) {
        (Some(version), Some(in_url), Some(typed)) if version != in_url => {
            let message = format!("version {version} is wanted, but the URL is that of {in_url}");
            Err(refused(source, &typed.span, message, "delete `version`, or correct one of the two"))
        }
        (Some(version), ..) => Ok(version),
        (None, Some(in_url), _) => Ok(in_url.to_owned()),
        (None, None, _) => {
            let help =
                "add `version: 580.126.20`, or a `url` that ends in `NVIDIA-Linux-x86_64-580.126.20.run`";
            Err(lacking(source, &entry.span, "it is not said which version the installer has", help))
        }
    }
}

/// Sees to it that URL and checksum are for the platforms they are used on.
fn is_for(
    source: &Source<'_>,
    raw: &raw::Driver,
    url: Option<&str>,
    platforms: &BTreeSet<Platform>,
) -> Result<()> {
    if let (Some(value), true) = (raw.sha256.as_ref(), platforms.len() > 1) {
        let help = "delete `sha256`: bundle.lock pins both; or limit `nvidia.targets` to one platform";
        return Err(refused(
            source,
            &value.span,
            "one checksum cannot be that of the installers for two platforms",
            help,
        ));
    }
    let (Some(url), Some(value)) = (url, raw.url.as_ref()) else { return Ok(()) };
    if !url.contains(MACHINE) && platforms.len() > 1 {
        let help = format!("write `{MACHINE}` where the URL has `x86_64` or `aarch64`, or leave `url` out");
        return Err(refused(
            source,
            &value.span,
            "one URL cannot be that of the installers for two platforms",
            help,
        ));
    }
    let named = name_parts(url).map(|(name, _)| name).filter(|name| *name != MACHINE);
    match (named, platforms.iter().next()) {
        (Some(named), Some(platform)) if named != machine(*platform) => {
            let message = format!("this installer is for `{}`, but the nodes are `{platform}`", quote(named));
            Err(refused(
                source,
                &value.span,
                message,
                format!("name the installer for `{}`", machine(*platform)),
            ))
        }
        _ => Ok(()),
    }
}

/// Machine and version in the name `NVIDIA-Linux-MACHINE-VERSION.run` at the end of a URL.
fn name_parts(url: &str) -> Option<(&str, &str)> {
    let name = url.rsplit('/').next()?.strip_prefix("NVIDIA-Linux-")?.strip_suffix(".run")?;
    name.split_once('-').filter(|(_, version)| is_version(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_url_says_machine_and_version() {
        let url = "https://example.com/NVIDIA-Linux-aarch64-580.126.20.run";
        assert_eq!(name_parts(url), Some(("aarch64", "580.126.20")));
        assert_eq!(name_parts("https://example.com/driver.run"), None);
        assert_eq!(name_parts("https://example.com/NVIDIA-Linux-x86_64-latest.run"), None);
    }
}
