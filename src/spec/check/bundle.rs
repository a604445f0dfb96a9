//! The top level of the file: what every bundle has, and at least one thing to carry.

use std::collections::BTreeMap;

use crate::error::{Error, Result, codes};
use crate::oci::platform::Platform;
use crate::quote::quote;
use crate::spec::apt::Target;
use crate::spec::nvidia::Nvidia;
use crate::spec::raw::{self, Text};
use crate::spec::source::Source;
use crate::spec::suggest::{listed, nearest};
use crate::spec::yaml::Located;
use crate::spec::{Image, Spec};

use super::name::name;
use super::text::text;
use super::{Check, apt, file, image, k3s, nvidia, registry};

/// Distributions that bundles can be built for.
pub(in crate::spec) const KNOWN_HOSTS: [&str; 8] = [
    "debian-11",
    "debian-12",
    "debian-13",
    "debian-sid",
    "ubuntu-20.04",
    "ubuntu-22.04",
    "ubuntu-24.04",
    "ubuntu-26.04",
];

/// Checks everything. `None` means that at least one problem was found.
pub(super) fn bundle(check: &mut Check<'_>, located: &Located<raw::Bundle>) -> Option<Spec> {
    let raw = &located.value;
    header(check, located);
    let name = identifier(check, located, "name", "gpu-lab", raw.name.as_ref());
    let version = identifier(check, located, "version", "\"2026.11\"", raw.version.as_ref());
    let channel = check.optional(raw.channel.as_ref(), |source, value| self::name(source, "channel", value));
    let platforms = platforms(check, located);
    let hosts = hosts(check, raw.hosts.as_deref().unwrap_or_default());
    let registries = match &*raw.registries {
        Some(entries) => registry::registries(check, entries),
        None => Some(BTreeMap::new()),
    };
    let k3s = match &*raw.k3s {
        Some(section) => k3s::k3s(check, section).map(Some),
        None => Some(None),
    };
    let images = image::images(check, raw.images.as_deref().unwrap_or_default(), platforms.as_deref());
    let files = file::files(check, raw.files.as_deref().unwrap_or_default());
    let (apt, nvidia) = packages(check, raw, platforms.as_deref(), hosts.as_deref(), images.as_deref());
    reserved(check, raw);
    something_to_carry(check, raw);
    Some(Spec {
        name: name?,
        version: version?,
        channel: channel?.unwrap_or_else(|| "stable".to_owned()),
        platforms: platforms?,
        hosts: hosts?,
        registries: registries?,
        k3s: k3s?,
        images: images?,
        files: files?,
        apt: apt?,
        nvidia: nvidia?,
    })
}

/// The sections `apt` and `nvidia`, which depend on each other.
fn packages(
    check: &mut Check<'_>,
    raw: &raw::Bundle,
    platforms: Option<&[Platform]>,
    hosts: Option<&[String]>,
    images: Option<&[Image]>,
) -> (Option<Vec<Target>>, Option<Option<Nvidia>>) {
    let surroundings = apt::Surroundings { platforms, hosts };
    let targets = match raw.apt.as_ref() {
        Some(section) => apt::apt(check, section, &surroundings),
        None => Some(Vec::new()),
    };
    let nvidia = match raw.nvidia.as_ref() {
        Some(section) => nvidia::nvidia(check, section, targets.as_deref(), images).map(Some),
        None => Some(None),
    };
    if let (Some(section), Some(targets), Some(nvidia)) = (raw.apt.as_ref(), &targets, &nvidia) {
        apt::something_for_each(check, section, targets, nvidia.as_ref());
    }
    (targets, nvidia)
}

fn header(check: &mut Check<'_>, located: &Located<raw::Bundle>) {
    let raw = &located.value;
    let fields =
        [("apiVersion", raw.api_version.as_ref(), "airlock/v1"), ("kind", raw.kind.as_ref(), "Bundle")];
    for (key, value, wanted) in fields {
        let result = match value {
            Some(value) => constant(check.source, key, value, wanted),
            None => Err(missing(check.source, located, key, wanted)),
        };
        check.keep(result);
    }
}

/// A key that has one allowed value in this version.
fn constant(source: &Source<'_>, key: &str, value: &Text, wanted: &str) -> Result<()> {
    let typed = text(source, value)?;
    if typed == wanted {
        return Ok(());
    }
    let message = format!("{key} `{}` is not known to this version of airlock", quote(typed));
    let help = match nearest(typed, [wanted]) {
        // Another version of the format is no typing slip.
        Some(_) if !typed.starts_with("airlock/v") => format!("did you mean `{key}: {wanted}`?"),
        _ => format!("write `{key}: {wanted}`; if the file is meant for a newer airlock, use that one"),
    };
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

fn identifier(
    check: &mut Check<'_>,
    located: &Located<raw::Bundle>,
    key: &str,
    example: &str,
    value: Option<&Text>,
) -> Option<String> {
    let source = check.source;
    check.keep(match value {
        Some(value) => name(source, key, value),
        None => Err(missing(source, located, key, example)),
    })
}

fn missing(source: &Source<'_>, located: &Located<raw::Bundle>, key: &str, example: &str) -> Error {
    source
        .error(codes::SPEC_MISSING, format!("`{key}` is missing"), &located.span, "the file begins here")
        .with_help(format!("add a line `{key}: {example}`"))
}

fn platforms(check: &mut Check<'_>, located: &Located<raw::Bundle>) -> Option<Vec<Platform>> {
    match &*located.value.platforms {
        Some(list) => check.platforms(list),
        None => check.keep(Err(missing(check.source, located, "platforms", "[linux/amd64]"))),
    }
}

fn hosts(check: &mut Check<'_>, list: &[Text]) -> Option<Vec<String>> {
    let mut seen: Vec<String> = Vec::new();
    check.each(list, |check, value| {
        let host = check.keep(host(check.source, value))?;
        if seen.contains(&host) {
            let message = format!("host `{host}` is listed twice");
            let error = check.source.error(codes::SPEC_VALUE, message, &value.span, "again here");
            return check.keep(Err(error.with_help("delete one of the two")));
        }
        seen.push(host);
        Some(())
    })?;
    Some(seen)
}

/// One of [`KNOWN_HOSTS`].
pub(super) fn host(source: &Source<'_>, value: &Text) -> Result<String> {
    let host = text(source, value)?;
    if KNOWN_HOSTS.contains(&host) {
        return Ok(host.to_owned());
    }
    let suggestion = nearest(host, KNOWN_HOSTS).map(|known| format!("did you mean `{known}`? "));
    let message = format!("distribution `{}` is not supported", quote(host));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(format!(
        "{}supported are {}",
        suggestion.unwrap_or_default(),
        listed(KNOWN_HOSTS)
    )))
}

/// The section that a later version will know.
fn reserved(check: &mut Check<'_>, raw: &raw::Bundle) {
    if let Some(section) = raw.charts.as_ref() {
        let message = "this version of airlock cannot build the section `charts` yet";
        let error = check.source.error(codes::SPEC_NOT_YET, message, &section.span, "");
        check.keep::<()>(Err(error.with_help(
            "delete the section; until it is supported, carry the chart's `.tgz` under `files` and its images \
             under `images`",
        )));
    }
}

fn something_to_carry(check: &mut Check<'_>, raw: &raw::Bundle) {
    let images = raw.images.as_ref().is_some_and(|images| !images.is_empty());
    let files = raw.files.as_ref().is_some_and(|files| !files.is_empty());
    let others = raw.apt.is_some() || raw.nvidia.is_some() || raw.charts.is_some();
    if images || files || raw.k3s.is_some() || others {
        return;
    }
    // It is at the end that nothing was found; whatever else is wrong comes first.
    let end = check.source.text.trim_end().len();
    let error = check.source.error(codes::SPEC_MISSING, "the bundle has nothing in it", &(end..end), "");
    check.keep::<()>(Err(
        error.with_help("add `k3s:`, `images:`, `files:` or `apt:`; manifests/examples has whole files")
    ));
}
