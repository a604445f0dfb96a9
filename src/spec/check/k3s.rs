//! The section `k3s`: one release, by version or by channel.

use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::spec::raw::{self, Text};
use crate::spec::source::Source;
use crate::spec::yaml::Located;
use crate::spec::{K3s, K3sRelease};

use super::text::text;
use super::{Check, url};

const BASE_URL: &str = "https://github.com/k3s-io/k3s/releases/download";
const CHANNEL_URL: &str = "https://update.k3s.io/v1-release/channels";

/// The release of k3s to carry.
pub(super) fn k3s(check: &mut Check<'_>, raw: &Located<raw::K3s>) -> Option<K3s> {
    let release = check.keep(release(check.source, raw));
    let base_url = check.optional(raw.value.base_url.as_ref(), url::base_url);
    let channel_url = check.optional(raw.value.channel_url.as_ref(), url::base_url);
    Some(K3s {
        release: release?,
        base_url: base_url?.unwrap_or_else(|| BASE_URL.to_owned()),
        channel_url: channel_url?.unwrap_or_else(|| CHANNEL_URL.to_owned()),
        images: raw.value.images.unwrap_or(true),
    })
}

fn release(source: &Source<'_>, raw: &Located<raw::K3s>) -> Result<K3sRelease> {
    match (raw.value.version.as_ref(), raw.value.channel.as_ref()) {
        (Some(version), None) => tag(source, version).map(K3sRelease::Version),
        (None, Some(name)) => channel(source, name).map(K3sRelease::Channel),
        (None, None) => Err(source
            .error(codes::SPEC_MISSING, "`k3s` has neither `version` nor `channel`", &raw.span, "")
            .with_help("write `version: v1.36.3+k3s1` for one release, or `channel: stable` to have bundle.lock pin the newest")),
        (Some(version), Some(channel)) => Err(both(source, version, channel)),
    }
}

fn both(source: &Source<'_>, version: &Text, channel: &Text) -> Error {
    let later = if version.span.start > channel.span.start { version } else { channel };
    let lines = (source.line(version.span.start), source.line(channel.span.start));
    let message = format!("`k3s` has both `version` (line {}) and `channel` (line {})", lines.0, lines.1);
    source.error(codes::SPEC_VALUE, message, &later.span, "one too many").with_help(
        "delete one: `version` fixes the release here, `channel` lets `airlock bundle lock --update` move it",
    )
}

/// `vMAJOR.MINOR.PATCH[-rcN]+k3sN`, the tags of the k3s project.
fn tag(source: &Source<'_>, value: &Text) -> Result<String> {
    let tag = text(source, value)?;
    if is_tag(tag) {
        return Ok(tag.to_owned());
    }
    let message = format!("`{}` is not a release tag of k3s", quote(tag));
    let help = match repaired(tag) {
        Some(repaired) => format!("did you mean `version: {repaired}`?"),
        None if is_channel(tag) => {
            format!("a channel is written `channel: {tag}`; a version looks like `v1.36.3+k3s1`")
        }
        None => "write the whole tag, such as `v1.36.3+k3s1`".to_owned(),
    };
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

fn channel(source: &Source<'_>, value: &Text) -> Result<String> {
    let channel = text(source, value)?;
    let help = match is_tag(channel) {
        true => format!("a fixed release is written `version: {channel}`"),
        false => "write `stable`, `latest`, or a minor version such as `v1.36`".to_owned(),
    };
    if is_channel(channel) {
        return Ok(channel.to_owned());
    }
    let message = format!("`{}` is not a channel of k3s", quote(channel));
    Err(source.error(codes::SPEC_VALUE, message, &value.span, "").with_help(help))
}

/// Whether `text` is a release tag: `vMAJOR.MINOR.PATCH[-rcN]+k3sN`.
pub(in crate::spec) fn is_tag(text: &str) -> bool {
    let parse = || {
        let (version, build) = text.strip_prefix('v')?.split_once('+')?;
        let (version, candidate) = match version.split_once("-rc") {
            Some((version, candidate)) => (version, candidate),
            None => (version, "1"),
        };
        let numbers: Vec<&str> = version.split('.').collect();
        let whole = numbers.len() == 3 && numbers.iter().all(|number| is_number(number));
        Some(whole && is_number(candidate) && is_number(build.strip_prefix("k3s")?))
    };
    parse().unwrap_or(false)
}

fn is_number(text: &str) -> bool {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}

/// Words of a-z and 0-9, joined by `.` or `-`; each becomes the end of a URL.
fn is_channel(text: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= 63 && text.split(['.', '-']).all(word)
}

/// The tag meant by forms seen in the field: the one of Docker Hub, without `v`, without build number.
fn repaired(text: &str) -> Option<String> {
    let plus = text.replace("-k3s", "+k3s");
    let prefixed = if plus.starts_with('v') { plus } else { format!("v{plus}") };
    let candidates = [prefixed.clone(), format!("{prefixed}+k3s1")];
    candidates.into_iter().find(|candidate| is_tag(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_project() {
        for tag in ["v1.36.3+k3s1", "v1.36.0-rc2+k3s1", "v0.0.1+k3s10"] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in [
            "",
            "v1.36.3",
            "1.36.3+k3s1",
            "v1.36+k3s1",
            "v1.36.3-k3s1",
            "v1.36.03+k3s1",
            "v1.36.3+k3s",
            "v1.36.3+k3s1/..",
            "v1.36.3-rc+k3s1",
            "v1.36.3+rke2r1",
        ] {
            assert!(!is_tag(tag), "{tag}");
        }
        for text in ["v1.36.3-k3s1", "1.36.3+k3s1", "v1.36.3"] {
            assert_eq!(repaired(text).as_deref(), Some("v1.36.3+k3s1"), "{text}");
        }
        assert_eq!(repaired("stable"), None);
    }

    #[test]
    fn channels_cannot_leave_their_url() {
        assert!(is_channel("stable") && is_channel("v1.36") && is_channel("v1.36-testing"));
        assert!(!is_channel("../x") && !is_channel("") && !is_channel("a/b") && !is_channel("v1..2"));
    }
}
