//! What texts of a manifest may look like.

use super::{Check, demand};
use crate::debian::version::Version;

/// Longest free text, in bytes.
const MAX_TEXT: usize = 4_096;

/// Longest version, and longest name of a package, in bytes.
const MAX_VERSION: usize = 128;

/// Longest part of a path, in bytes: what Linux takes (`NAME_MAX`).
const MAX_PART: usize = 255;

pub(super) fn provenance(origin: &str, authenticated_by: &str) -> Check {
    let plain = is_plain_text(origin) && is_plain_text(authenticated_by);
    demand(plain, || "the origin has control characters or is too long".to_owned())
}

pub(super) fn version(text: &str) -> Check {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte);
    let good = (1..=MAX_VERSION).contains(&text.len()) && text.bytes().all(allowed);
    demand(good, || format!("version `{text}`"))
}

/// The rule of [`crate::spec::Spec`] for names that become part of file names.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() <= 63
        && ends.iter().all(|end| end.is_some_and(plain))
        && text.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

pub(super) fn is_media_type(text: &str) -> bool {
    text.len() <= 255 && text.contains('/') && text.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn is_tag(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=128).contains(&text.len()) && !text.starts_with(['.', '-']) && text.bytes().all(allowed)
}

/// Text for people: one line, not endless.
pub(super) fn is_plain_text(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// A path on a node.
pub(super) fn is_absolute(path: &str) -> bool {
    is_plain_text(path) && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}

/// A path within a repository, of the characters that `debian::repository` uses.
pub(super) fn is_relative(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+~%-".contains(&byte);
    path.len() <= MAX_TEXT && path.bytes().all(allowed) && path.split('/').all(is_part)
}

fn is_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && part.len() <= MAX_PART
}

/// The name of a binary package (Debian Policy 5.6.1).
pub(super) fn is_package_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (2..=MAX_VERSION).contains(&text.len())
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|byte| plain(byte) || b"+.-".contains(&byte))
}

/// A Debian architecture such as `amd64` or `kfreebsd-amd64`, or `all` (Debian Policy 5.6.8).
pub(super) fn is_architecture(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(allowed)
}

/// The version of a package (Debian Policy 5.6.12).
pub(super) fn is_package_version(text: &str) -> bool {
    text.len() <= MAX_VERSION && Version::parse(text).is_ok()
}

/// Numbers between dots: the version of an NVIDIA driver.
pub(super) fn is_dotted_number(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_VERSION && text.contains('.') && text.split('.').all(number)
}

/// What `uname -r` may print: at most 64 bytes (`utsname`).
pub(super) fn is_kernel_release(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}
