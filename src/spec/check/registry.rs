//! The section `registries`: how to reach hosts.

use std::collections::BTreeMap;

use crate::error::{Result, codes};
use crate::spec::HostSettings;
use crate::spec::raw::{self, Text};
use crate::spec::source::Source;
use crate::spec::yaml::{Entries, Located};

use super::text::text;
use super::{Check, url};

/// All hosts with their settings.
pub(super) fn registries(
    check: &mut Check<'_>,
    entries: &Entries<raw::HostSettings>,
) -> Option<BTreeMap<String, HostSettings>> {
    let settings = check.each(&entries.0, |check, (host, settings)| {
        let host = check.keep(url::host(check.source, host));
        let settings = host_settings(check, settings);
        Some((host?, settings?))
    })?;
    Some(settings.into_iter().collect())
}

fn host_settings(check: &mut Check<'_>, raw: &raw::HostSettings) -> Option<HostSettings> {
    let mirrors = check.each(raw.mirrors.as_deref().unwrap_or_default(), |check, text| {
        check.keep(mirror(check.source, text))
    });
    let ca = check.optional(raw.ca.as_ref(), path);
    Some(HostSettings {
        mirrors: mirrors?,
        mirrors_only: false,
        ca: ca?.map(|path| check.directory.join(path)),
        insecure: raw.insecure.unwrap_or(false),
        plain_http: raw.plain_http.unwrap_or(false),
    })
}

fn mirror(source: &Source<'_>, value: &Text) -> Result<String> {
    if value.value.contains("://") { url::base_url(source, value) } else { url::host(source, value) }
}

/// A path that is not empty.
pub(super) fn path(source: &Source<'_>, value: &Located<String>) -> Result<String> {
    match text(source, value)? {
        "" => Err(source
            .error(codes::SPEC_VALUE, "a path is empty", &value.span, "")
            .with_help("name a file, relative to the directory of this one, or delete the key")),
        path => Ok(path.to_owned()),
    }
}
