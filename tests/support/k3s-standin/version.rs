//! The release that this program stands in for. Tests of upgrades need several, and one program is enough for all of
//! them: a last line of its file, behind what the linker has written, names another release. Those who make the
//! stand-ins of releases write it, see `stand_in` in `tests/support/releases.rs`.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::OnceLock;

/// The release of a program without such a line.
const DEFAULT: &str = "v1.36.3+k3s1";
/// Stands before the release in that line, which ends with the file.
const MARK: &str = "\nstand-in for k3s ";
/// Stands behind it.
const BEHIND: &str = " on ";
/// The line is not longer.
const LONGEST: i64 = 128;

/// Such as `v1.36.3+k3s1`. What takes the place of the file later does not change it.
pub fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| read().unwrap_or_else(|| DEFAULT.to_owned()))
}

fn read() -> Option<String> {
    let mut file = fs_err::File::open("/proc/self/exe").ok()?;
    file.seek(SeekFrom::End(-LONGEST)).ok()?;
    let mut end = Vec::new();
    file.read_to_end(&mut end).ok()?;
    named(&end)
}

fn named(end: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(end).into_owned();
    let (_, release) = text.rsplit_once(MARK)?;
    Some(release.split_once(BEHIND)?.0.to_owned())
}

/// Major and minor of a release.
pub fn minor(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_names_the_release() {
        assert_eq!(
            named(b"\0\xff\nstand-in for k3s v1.34.1+k3s1 on amd64; this is not k3s\n").as_deref(),
            Some("v1.34.1+k3s1")
        );
        assert_eq!(named(b"whatever a linker writes"), None);
        assert_eq!(version(), DEFAULT);
        assert!(minor("v1.34.1+k3s1") < minor("v1.35.0+k3s2"));
        assert_eq!(minor("unknown"), None);
    }
}
