//! Targets: kinds of node, each with what it gets besides what all get.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::oci::platform::Platform;
use crate::quote::quote;
use crate::spec::apt::{Archive, Baseline, Target};
use crate::spec::raw::Text;
use crate::spec::raw::apt as raw;
use crate::spec::raw::either::TextOr;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::list::one_of;
use super::super::registry::path;
use super::super::text::parsed;
use super::super::{Check, again, bundle, lacking, name, refused};
use super::package::{self, Groups};
use super::{Surroundings, Wishes, archive, wishes};

/// A distribution whose apt decides in a way that the solver does not know.
const NOT_MODELLED: &str = "ubuntu-20.04";

/// What a target says itself.
pub(super) struct Own {
    host: String,
    platform: Platform,
    baseline: Baseline,
    archive: Archive,
    wishes: Wishes,
    recommends: Option<bool>,
    line: usize,
}

/// One target without its name.
pub(super) fn target(
    check: &mut Check<'_>,
    entry: &Located<raw::Target>,
    surroundings: &Surroundings<'_>,
    groups: Option<&Groups>,
) -> Option<Own> {
    let source = check.source;
    let raw = &entry.value;
    let host = check.keep(host(source, entry, surroundings.hosts));
    let platform = check.keep(platform(source, entry, surroundings.platforms));
    let baseline = check.optional(raw.baseline.as_ref(), baseline);
    let archive = archive::archive(check, raw.archive.as_ref());
    let wishes = wishes(check, &raw.packages, &raw.hold, &raw.pins, &raw.repositories, groups);
    Some(Own {
        host: host?,
        platform: platform?,
        baseline: baseline?.unwrap_or(Baseline::Essential),
        archive: archive?,
        wishes: wishes?,
        recommends: *raw.recommends,
        line: source.line(entry.span.start),
    })
}

impl Own {
    /// The target with what is said for all.
    pub(super) fn with(
        self,
        check: &mut Check<'_>,
        name: String,
        common: &Wishes,
        recommends: bool,
    ) -> Option<Target> {
        let own = self.wishes;
        let packages = check.keep(package::joined(check.source, [&common.packages, &own.packages]))?;
        Some(Target {
            name,
            host: self.host,
            platform: self.platform,
            baseline: self.baseline,
            archive: self.archive,
            repositories: [common.repositories.clone(), own.repositories].concat(),
            packages,
            recommends: self.recommends.unwrap_or(recommends),
            pins: [own.pins, common.pins.clone()].concat(),
            holds: common.holds.union(&own.holds).cloned().collect(),
            line: self.line,
        })
    }
}

fn host(source: &Source<'_>, entry: &Located<raw::Target>, hosts: Option<&[String]>) -> Result<String> {
    let Some(value) = entry.value.host.as_ref() else {
        let help = "add `host: debian-12`, one of `hosts` at the top of the file";
        return Err(lacking(source, &entry.span, "a target does not say which distribution it is for", help));
    };
    let host = bundle::host(source, value)?;
    if host == NOT_MODELLED {
        let message =
            format!("packages for `{host}` cannot be chosen: its apt decides in a way airlock does not know");
        let help =
            "choose a newer release, or carry its `.deb` files under `files`; it may stay among `hosts`";
        return Err(refused(source, &value.span, message, help));
    }
    match hosts {
        Some(hosts) if !hosts.contains(&host) => Err(not_a_host(source, value, &host, hosts)),
        _ => Ok(host),
    }
}

fn not_a_host(source: &Source<'_>, value: &Text, host: &str, hosts: &[String]) -> Error {
    let all: Vec<&str> = hosts.iter().map(String::as_str).chain([host]).collect();
    let help =
        format!("write `hosts: [{}]` at the top of the file, or choose one of `hosts` here", all.join(", "));
    refused(source, &value.span, format!("`{host}` is not among `hosts`"), help)
}

fn platform(
    source: &Source<'_>,
    entry: &Located<raw::Target>,
    platforms: Option<&[Platform]>,
) -> Result<Platform> {
    let known = platforms.unwrap_or(Platform::ALL);
    match (entry.value.platform.as_ref(), known) {
        (Some(value), known) => {
            let platform = parsed::<Platform>(source, value)?;
            if known.contains(&platform) {
                return Ok(platform);
            }
            let message = format!("`{platform}` is not a platform of the bundle");
            let help =
                format!("add `{platform}` to `platforms` at the top of the file, or write another one here");
            Err(refused(source, &value.span, message, help))
        }
        (None, [only]) => Ok(*only),
        // If the platforms of the bundle are wrong, that is the problem to report.
        (None, _) if platforms.is_none() => Ok(Platform::LinuxAmd64),
        (None, _) => {
            let help = "add `platform: linux/amd64`; nodes with `linux/arm64` are another target";
            Err(lacking(source, &entry.span, "a target does not say which platform it is for", help))
        }
    }
}

fn baseline(source: &Source<'_>, value: &Located<TextOr<raw::Baseline>>) -> Result<Baseline> {
    match &value.value {
        TextOr::Text(text) => {
            recorded_baseline(source, &Text { value: text.clone(), span: value.span.clone() })
        }
        TextOr::Map(map) => match map.status.as_ref() {
            Some(status) => path(source, status).map(|path| Baseline::Status(PathBuf::from(path))),
            None => {
                let help = "add `status: FILE`, a copy of `/var/lib/dpkg/status` of such a node";
                Err(lacking(source, &value.span, "`baseline` has no `status`", help))
            }
        },
    }
}

fn recorded_baseline(source: &Source<'_>, value: &Text) -> Result<Baseline> {
    let known =
        [("essential", Baseline::Essential), ("server", Baseline::Server), ("cloud", Baseline::Cloud)];
    if value.value.contains(['/', '.']) {
        let message = format!("`{}` is not a value of `baseline`", quote(&value.value));
        let help = format!(
            "if it is the status file of a node, write `baseline: {{status: {}}}`",
            quote(&value.value)
        );
        return Err(refused(source, &value.span, message, help));
    }
    one_of(source, "baseline", value, &known)
}

/// The names of all targets, each once: as typed, else the host, with the architecture where two without a name
/// have the same host.
pub(super) fn names(
    check: &mut Check<'_>,
    entries: &[Located<raw::Target>],
    platforms: Option<&[Platform]>,
) -> Option<Vec<String>> {
    let mut lines = HashMap::new();
    check.each(entries, |check, entry| {
        let source = check.source;
        let name = match entry.value.name.as_ref() {
            Some(value) => check.keep(name::name(source, "name", value))?,
            None => default_name(source, entry, entries, platforms)?,
        };
        let span = entry.value.name.as_ref().map_or(&entry.span, |value| &value.span);
        match lines.insert(name.clone(), source.line(entry.span.start)) {
            None => Some(name),
            Some(first) => {
                let message = format!("two targets are called `{}`, the first on line {first}", quote(&name));
                let help = "give one of them another name: `name: gpu-nodes`";
                check.keep(Err(again(source, span, message, help)))
            }
        }
    })
}

/// `None` if host or platform are wrong, which is reported where they are checked.
fn default_name(
    source: &Source<'_>,
    entry: &Located<raw::Target>,
    entries: &[Located<raw::Target>],
    platforms: Option<&[Platform]>,
) -> Option<String> {
    let host = bundle::host(source, entry.value.host.as_ref()?).ok()?;
    let has_same_host = |other: &&Located<raw::Target>| {
        other.value.name.is_none() && other.value.host.as_ref().is_some_and(|typed| typed.value == host)
    };
    if entries.iter().filter(has_same_host).count() < 2 {
        return Some(host);
    }
    let platform = platform(source, entry, platforms).ok()?;
    Some(format!("{host}-{}", platform.architecture()))
}
