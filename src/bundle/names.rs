//! File names of a bundle on its medium: lower case, `[a-z0-9._-]`, so that FAT32 keeps them as they are.

use std::path::Path;

use crate::quote::shorten;

/// `NAME-VERSION`, with which the name of every file of a bundle begins.
pub fn stem(name: &str, version: &str) -> String {
    format!("{name}-{version}")
}

/// The file name of volume `volume` (from 1) of `volumes`.
pub fn volume_file(stem: &str, volume: u32, volumes: u32) -> String {
    if volumes == 1 { format!("{stem}.tar") } else { format!("{stem}.{volume}-of-{volumes}.tar") }
}

/// The file name of an additional signature over the manifest; `key` is [`PublicKey::short_id`].
///
/// [`PublicKey::short_id`]: crate::trust::key::PublicKey::short_id
pub fn signature_file(stem: &str, key: &str) -> String {
    format!("{stem}.{key}.sig")
}

/// Whether `file_name` is a volume or an additional signature of the bundle with this stem.
pub fn belongs_to(file_name: &str, stem: &str) -> bool {
    stem_of(file_name) == Some(stem) || is_signature_of(file_name, stem)
}

/// The stem of a volume's file name: what precedes `.tar` or `.K-of-N.tar`.
pub(super) fn stem_of(file_name: &str) -> Option<&str> {
    let base = file_name.strip_suffix(".tar")?;
    let cut = base.rsplit_once('.').filter(|(_, position)| is_position(position));
    Some(cut.map_or(base, |(stem, _)| stem))
}

/// Whether a file name ends in `.K-of-N.tar`.
pub(super) fn is_cut_volume(file_name: &str) -> bool {
    file_name.strip_suffix(".tar").is_some_and(|base| stem_of(file_name) != Some(base))
}

/// Whether `file_name` is an additional signature of the bundle with this stem.
pub(super) fn is_signature_of(file_name: &str, stem: &str) -> bool {
    let key = file_name
        .strip_prefix(stem)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(".sig"));
    key.is_some_and(|key| {
        key.len() == 16 && key.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn is_position(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once("-of-").is_some_and(|(volume, volumes)| number(volume) && number(volumes))
}

/// A path as it may be shown: control characters escaped.
pub(crate) fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// A foreign string as it may be shown: control characters escaped, and no longer than a few lines.
pub(crate) fn escaped(text: &str) -> String {
    shorten(text, 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_follow_the_number_of_volumes() {
        let stem = stem("lab", "1.0");
        assert_eq!(volume_file(&stem, 1, 1), "lab-1.0.tar");
        assert_eq!(volume_file(&stem, 3, 12), "lab-1.0.3-of-12.tar");
        for name in ["lab-1.0.tar", "lab-1.0.3-of-12.tar"] {
            assert_eq!(stem_of(name), Some("lab-1.0"));
        }
        assert_eq!(stem_of("lab-1.0.sig"), None);
        assert!(is_cut_volume("lab-1.0.3-of-12.tar"));
        assert!(!is_cut_volume("lab-1.0.tar"));
    }

    #[test]
    fn signatures_belong_to_one_stem() {
        let file = signature_file("lab-1.0", "0123456789abcdef");
        assert!(is_signature_of(&file, "lab-1.0"));
        assert!(!is_signature_of(&file, "lab-1"));
        assert!(!is_signature_of("lab-1.0.sha256.sig", "lab-1.0"));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escaped("a\u{1b}[31m\u{202e}ü\n"), "a\\u{1b}[31m\\u{202e}ü\\n");
    }
}
