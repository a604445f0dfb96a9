//! Pins: which versions of which packages to prefer (apt_preferences(5)).

use crate::debian::universe::pins::{Pin, PinTarget};
use crate::error::Result;
use crate::quote::quote;
use crate::spec::raw::Text;
use crate::spec::raw::apt as raw;
use crate::spec::source::Source;
use crate::spec::yaml::Located;

use super::super::list::{list, pattern, word};
use super::super::text::{plain, text};
use super::super::{Check, lacking, refused, url};

/// One pin.
pub(super) fn pin(check: &mut Check<'_>, entry: &Located<raw::Pin>) -> Option<Pin> {
    let packages = packages(check, entry);
    let target = check.keep(target(check.source, entry));
    let priority = check.keep(priority(check.source, entry));
    Some(Pin { packages: packages?, target: target?, priority: priority? })
}

fn packages(check: &mut Check<'_>, entry: &Located<raw::Pin>) -> Option<Vec<String>> {
    let source = check.source;
    let Some(names) = entry.value.packages.as_ref() else {
        let help = "add `packages: [\"libnvidia-*\"]`, or `packages: [\"*\"]` for all";
        return check.keep(Err(lacking(source, &entry.span, "a pin does not say for which packages", help)));
    };
    let patterns = list(check, "packages", names, pattern)?;
    if patterns.len() > 1 && patterns.iter().any(|pattern| pattern == "*") {
        let help = "delete the other names, or make it a pin of its own";
        return check.keep(Err(refused(
            source,
            &names.span,
            "`*` means every package, so others say nothing",
            help,
        )));
    }
    Some(patterns)
}

fn target(source: &Source<'_>, entry: &Located<raw::Pin>) -> Result<PinTarget> {
    let raw = &entry.value;
    let spans = [
        raw.version.as_ref().map(|value| &value.span),
        raw.release.as_ref().map(|value| &value.span),
        raw.site.as_ref().map(|value| &value.span),
    ];
    if let Some(last) = spans.iter().flatten().max_by_key(|span| span.start)
        && spans.iter().flatten().count() > 1
    {
        let message = "a pin has more than one of `version`, `release` and `site`";
        return Err(refused(source, last, message, "make two pins of it, or delete one of them"));
    }
    match (raw.version.as_ref(), raw.release.as_ref(), raw.site.as_ref()) {
        (Some(version), ..) => word(source, version).map(PinTarget::Version),
        (_, Some(fields), _) => release(source, fields),
        (.., Some(site)) => url::host(source, site).map(PinTarget::Site),
        (None, None, None) => {
            let help = "add `version: \"580.*\"`, `release: {codename: bookworm-backports}` or `site: HOST`";
            Err(lacking(source, &entry.span, "a pin does not say which versions it prefers", help))
        }
    }
}

fn release(source: &Source<'_>, fields: &Located<raw::Release>) -> Result<PinTarget> {
    let raw = &fields.value;
    let field = |value: Option<&Text>| value.map(|value| text(source, value).map(str::to_owned)).transpose();
    let target = PinTarget::Release {
        suite: field(raw.suite.as_ref())?,
        codename: field(raw.codename.as_ref())?,
        origin: field(raw.origin.as_ref())?,
        label: field(raw.label.as_ref())?,
        component: field(raw.component.as_ref())?,
    };
    let all = [&raw.suite, &raw.codename, &raw.origin, &raw.label, &raw.component];
    if all.iter().all(|field| field.is_none()) {
        let help =
            "add `suite`, `codename`, `origin`, `label` or `component`, as the archive's `Release` has it";
        return Err(lacking(source, &fields.span, "`release` names nothing to match", help));
    }
    Ok(target)
}

/// A number that apt can keep, which is not 0: that means "no priority" to it.
fn priority(source: &Source<'_>, entry: &Located<raw::Pin>) -> Result<i32> {
    let Some(value) = entry.value.priority.as_ref() else {
        let help = "add `priority: 990` to prefer these versions, or `priority: -1` never to take them";
        return Err(lacking(source, &entry.span, "a pin has no priority", help));
    };
    let typed = plain(source, value)?;
    match typed.parse::<i16>() {
        Ok(priority) if priority != 0 => Ok(i32::from(priority)),
        _ => {
            let message = format!("`{}` is not a priority", quote(typed));
            let help = "write a whole number from -32768 to 32767, but not 0: 500 is usual, 990 is preferred, \
                        below 0 is never";
            Err(refused(source, &value.span, message, help))
        }
    }
}
