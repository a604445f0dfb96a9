//! Tar archives of images on the provisioner's disk: iterated, never unpacked; optionally compressed.

use std::io::{BufReader, Read};
use std::path::Path;

use fs_err as fs;
use tar::EntryType;

use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::source::local::unreadable;

/// Largest window a zstd archive may ask for, as a power of two: 128 MiB.
const ZSTD_WINDOW_LOG: u32 = 27;

/// Most members that are looked at; an image archive has a few per layer.
const MEMBER_LIMIT: usize = 1_000_000;

/// What a member of an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member {
    /// A regular file of so many bytes.
    File(u64),
    /// A hard or symbolic link to another member, already resolved to a path within the archive.
    Link(String),
}

/// Calls `visit` for every regular file and link of the archive, in order, with its normalised path.
///
/// # Errors
/// `E0702` when the file cannot be read, `E0703` when it is not a tar or holds devices or paths that leave
/// the archive, and whatever `visit` returns.
pub fn each_member(
    path: &Path,
    mut visit: impl FnMut(&str, Member, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let mut archive = tar::Archive::new(open(path)?);
    let broken =
        |error: std::io::Error| not_an_archive(path, "it is not a complete tar archive").with_source(error);
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if count >= MEMBER_LIMIT {
            return Err(not_an_archive(path, "it has more than a million members"));
        }
        let raw = entry.path_bytes().into_owned();
        let name = normalise(&raw).ok_or_else(|| bad_name(path, &raw))?;
        let member = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => Member::File(entry.size()),
            EntryType::Directory | EntryType::XGlobalHeader => continue,
            EntryType::Link => Member::Link(link(&entry, "").ok_or_else(|| bad_name(path, &raw))?),
            EntryType::Symlink => {
                let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
                Member::Link(link(&entry, parent).ok_or_else(|| bad_name(path, &raw))?)
            }
            other => {
                return Err(not_an_archive(path, &format!("`{name}` is neither file nor link ({other:?})")));
            }
        };
        visit(&name, member, &mut entry)?;
    }
    Ok(())
}

/// Opens the file behind the decompression that its first bytes ask for (RFC 1952, RFC 8878).
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let shown = path.display().to_string();
    let file = fs::File::open(path).map_err(|error| unreadable(&shown, error))?;
    if !file.metadata().map_err(|error| unreadable(&shown, error))?.is_file() {
        return Err(
            not_an_archive(path, "it is not a regular file").with_help("for a directory use `oci:DIR`")
        );
    }
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let head = std::io::BufRead::fill_buf(&mut reader).map_err(|error| unreadable(&shown, error))?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut decoder = zstd::Decoder::with_buffer(reader)
                .map_err(|error| not_an_archive(path, "broken zstd").with_source(error))?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG)
                .map_err(|error| not_an_archive(path, "broken zstd").with_source(error))?;
            Box::new(decoder)
        }
        _ => Box::new(reader),
    })
}

/// The path without `./`, or `None` when it is absolute, leaves the archive or is not plain text.
fn normalise(raw: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(raw).ok()?;
    if text.starts_with('/') || text.chars().any(char::is_control) {
        return None;
    }
    join("", text)
}

/// `relative` as seen from the directory `parent`, without `.` and `..`.
fn join(parent: &str, relative: &str) -> Option<String> {
    let mut elements: Vec<&str> = parent.split('/').filter(|element| !element.is_empty()).collect();
    for element in relative.split('/') {
        match element {
            "" | "." => {}
            ".." => {
                elements.pop()?;
            }
            name => elements.push(name),
        }
    }
    Some(elements.join("/"))
}

fn link(entry: &tar::Entry<'_, Box<dyn Read>>, parent: &str) -> Option<String> {
    let target = entry.link_name_bytes()?;
    let target = std::str::from_utf8(&target).ok()?;
    if target.starts_with('/') { None } else { join(parent, target) }
}

fn bad_name(path: &Path, raw: &[u8]) -> Error {
    let name = String::from_utf8_lossy(raw);
    not_an_archive(path, &format!("the member `{}` leads out of it", quote(&name)))
}

/// The error for an archive whose content does not fit its kind.
pub fn not_an_archive(path: &Path, why: &str) -> Error {
    Error::new(codes::SOURCE_FORMAT, format!("{} is not usable as an image archive: {why}", path.display()))
        .with_help(
            "make it anew: `skopeo copy docker://IMAGE oci-archive:FILE:NAME` or `docker save -o FILE IMAGE`",
        )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::io::Write;

    /// A tar of the given files.
    pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn names(bytes: &[u8]) -> Result<Vec<(String, Member)>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut found = Vec::new();
        each_member(file.path(), |name, member, _| {
            found.push((name.to_owned(), member));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn members_are_found_whatever_the_compression() {
        let plain = tar_of(&[("./oci-layout", b"{}"), ("blobs/sha256/aa", b"12345")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let expected =
            [("oci-layout".to_owned(), Member::File(2)), ("blobs/sha256/aa".to_owned(), Member::File(5))];
        assert_eq!(names(&plain).unwrap(), expected);
        assert_eq!(names(&gzip.finish().unwrap()).unwrap(), expected);
        assert_eq!(names(&zstd::encode_all(plain.as_slice(), 1).unwrap()).unwrap(), expected);
    }

    #[test]
    fn links_are_resolved_within_the_archive() {
        assert_eq!(join("a/b", "../c/layer.tar").as_deref(), Some("a/c/layer.tar"));
        assert_eq!(join("", "../etc/passwd"), None);
        assert_eq!(join("a", "./b//c").as_deref(), Some("a/b/c"));
    }

    #[test]
    fn foreign_and_hostile_files_are_refused() {
        let cut = &tar_of(&[("oci-layout", &[b'x'; 2000])])[..1000];
        let gzip_cut = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2];
        let cases: [(&[u8], &str); 6] = [
            (b"<html>log in first</html>", "not a complete tar"),
            (cut, "not a complete tar"),
            (&gzip_cut, "not a complete tar"),
            (&[0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0], "tar"),
            (&tar_of(&[("../x", b"")]), "leads out of it"),
            (&tar_of(&[("/etc/x", b"")]), "leads out of it"),
        ];
        for (bytes, why) in cases {
            let outcome = names(bytes).and_then(|_| {
                let mut file = tempfile::NamedTempFile::new().unwrap();
                file.write_all(bytes).unwrap();
                each_member(file.path(), |_, _, content| {
                    std::io::copy(content, &mut std::io::sink())
                        .map(drop)
                        .map_err(|error| not_an_archive(file.path(), "not a complete tar").with_source(error))
                })
            });
            let error = outcome.expect_err(why);
            assert_eq!(error.code(), codes::SOURCE_FORMAT);
            assert!(error.message().contains(why), "{error}");
        }
    }
}
