//! Choosing and decoding indices.

use std::io::Write as _;

use super::*;
use crate::debian::openpgp::{Keyring, SigningKey};
use crate::debian::release::SignedRelease;
use crate::oci::digest::Digest;
use crate::secret::Secret;

const TEXT: &[u8] = b"Package: a\nVersion: 1\n";

/// Signs a `Release` file with `fields` and the given files, and hands it on as verified.
fn with_release<T>(fields: &str, files: &[(&str, &[u8])], use_it: impl FnOnce(&Release<'_>) -> T) -> T {
    let table: String = files
        .iter()
        .map(|(path, bytes)| format!(" {} {} {path}\n", Digest::of(bytes).hex(), bytes.len()))
        .collect();
    let key = SigningKey::from_seed(&Secret::new([1; 32]), "test").unwrap();
    let message = key.sign_inline(&format!("{fields}SHA256:\n{table}")).unwrap();
    let keyring = Keyring::parse(&key.keyring().unwrap(), "keyring.gpg").unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let signed = SignedRelease::verify_inline(message.as_bytes(), "InRelease", &keyring, now).unwrap();
    use_it(&signed.release().unwrap())
}

fn paths(release: &Release<'_>, component: Option<&str>, architecture: &str) -> Vec<String> {
    index_files(release, component, architecture).unwrap().into_iter().map(|file| file.path).collect()
}

fn xz(text: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_best_compression_is_chosen() {
    let plain = "main/binary-amd64/Packages";
    let names = [plain.to_owned(), format!("{plain}.gz"), format!("{plain}.zst"), format!("{plain}.xz")];
    for count in 1..=4 {
        let files: Vec<(&str, &[u8])> = names[..count].iter().map(|name| (name.as_str(), TEXT)).collect();
        with_release("", &files, |release| {
            assert_eq!(paths(release, Some("main"), "amd64"), [names[count - 1].as_str()]);
        });
    }
}

#[test]
fn components_of_security_suites_and_flat_repositories_are_found() {
    let files: &[(&str, &[u8])] = &[("main/binary-arm64/Packages.xz", b""), ("Packages.gz", b"")];
    with_release("Components: updates/main\n", files, |release| {
        assert_eq!(paths(release, Some("updates/main"), "arm64"), ["main/binary-arm64/Packages.xz"]);
        assert_eq!(paths(release, Some("main"), "arm64"), ["main/binary-arm64/Packages.xz"]);
        assert_eq!(paths(release, None, "arm64"), ["Packages.gz"]);
        let error = index_files(release, Some("non-free"), "arm64").unwrap_err();
        assert_eq!(error.code(), codes::DEBIAN_INDEX_MISSING);
        assert!(error.details()[0].contains("updates/main"), "{:?}", error.details());
    });
}

#[test]
fn packages_for_all_architectures_are_read_where_apt_reads_them() {
    let files: &[(&str, &[u8])] = &[("main/binary-amd64/Packages", b""), ("main/binary-all/Packages", b"")];
    let own = "main/binary-amd64/Packages";
    for (fields, expected) in [
        ("Architectures: amd64 all\n", &[own, "main/binary-all/Packages"][..]),
        ("Architectures: amd64 all\nNo-Support-for-Architecture-all: Packages\n", &[own][..]),
        ("Architectures: amd64\n", &[own][..]),
        ("Architecture: x86_64\n", &[own][..]),
    ] {
        with_release(fields, files, |release| {
            assert_eq!(paths(release, Some("main"), "amd64"), expected, "{fields}")
        });
    }
}

#[test]
fn by_hash_is_used_where_it_is_announced() {
    let files: &[(&str, &[u8])] = &[("main/binary-amd64/Packages.xz", TEXT)];
    let expected = format!("main/binary-amd64/by-hash/SHA256/{}", Digest::of(TEXT).hex());
    with_release("Acquire-By-Hash: yes\n", files, |release| {
        assert_eq!(index_files(release, Some("main"), "amd64").unwrap()[0].by_hash, Some(expected));
    });
    with_release("Acquire-By-Hash: no\n", files, |release| {
        assert_eq!(index_files(release, Some("main"), "amd64").unwrap()[0].by_hash, None);
    });
}

#[test]
fn every_compression_is_decoded() {
    let packed = [xz(TEXT), zstd::encode_all(TEXT, 3).unwrap(), gzip(TEXT), TEXT.to_vec()];
    for (compression, packed) in Compression::PREFERRED.iter().zip(packed) {
        let path = format!("Packages{}", compression.suffix());
        let files: &[(&str, &[u8])] = &[(&path, &packed), ("Packages", TEXT)];
        with_release("", files, |release| {
            let index = &index_files(release, None, "amd64").unwrap()[0];
            assert_eq!(index.decode(&packed[..]).unwrap(), TEXT);
            for wrong in [&packed[..packed.len() - 1], &[&packed[..], b"\0"].concat(), b"<html>"] {
                let error = index.decode(wrong).unwrap_err();
                assert_eq!((error.code(), error.kind().exit_status()), (codes::DEBIAN_INDEX_DAMAGED, 4));
                assert!(
                    error.details()[0].starts_with("expected") && error.details()[1].starts_with("received")
                );
            }
        });
    }
}

#[test]
fn what_unpacks_to_more_or_something_else_is_refused() {
    let bomb = vec![b' '; 1 << 20];
    for (packed, unpacked) in
        [(xz(&bomb), TEXT), (gzip(&bomb), TEXT), (xz(b"Package: b\nVersion: 1\n"), TEXT)]
    {
        let name = if packed.starts_with(b"\x1f\x8b") { "Packages.gz" } else { "Packages.xz" };
        with_release("", &[(name, &packed), ("Packages", unpacked)], |release| {
            let error = index_files(release, None, "amd64").unwrap()[0].decode(&packed[..]).unwrap_err();
            assert_eq!(error.code(), codes::DEBIAN_INDEX_DAMAGED);
        });
    }
}

#[test]
fn a_reader_that_never_ends_is_left() {
    with_release("", &[("Packages", TEXT)], |release| {
        let index = &index_files(release, None, "amd64").unwrap()[0];
        assert_eq!(index.decode(std::io::repeat(b'x')).unwrap_err().code(), codes::DEBIAN_INDEX_DAMAGED);
    });
}

/// Text in blocks of 64 KiB, as large indices are in blocks of 24 MiB.
fn xz_in_blocks(text: &[u8], preset: u32) -> Vec<u8> {
    let mut builder = liblzma::stream::MtStreamBuilder::new();
    let stream = builder.preset(preset).threads(2).block_size(64 << 10).encoder().unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn blocks_of_xz_are_found_and_decompressed() {
    let text: Vec<u8> = (0..40_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
    let file = xz_in_blocks(&text, 6);
    let found = xz::blocks_of(&file).unwrap();
    assert_eq!(found.len(), text.len().div_ceil(64 << 10));
    assert_eq!(found.iter().map(|block| block.text_length).sum::<usize>(), text.len());
    assert_eq!(xz::decompress(&file, text.len() as u64).unwrap(), text);
}

#[test]
fn xz_without_usable_blocks_is_decompressed_as_well() {
    let text = TEXT.repeat(10_000);
    let streams = [xz(&text), xz_in_blocks(&text, 6)].concat();
    assert_eq!(xz::blocks_of(&streams), None);
    assert_eq!(xz::decompress(&streams, 2 * text.len() as u64).unwrap(), text.repeat(2));
    // Its dictionary has 64 MiB, too much to have several side by side.
    let large = xz_in_blocks(&text, 9);
    assert_eq!(xz::blocks_of(&large), None);
    assert_eq!(xz::decompress(&large, text.len() as u64).unwrap(), text);
}

#[test]
fn damaged_blocks_are_an_error_or_other_text_but_never_a_panic() {
    let text = TEXT.repeat(10_000);
    let file = xz_in_blocks(&text, 1);
    for position in (0..file.len()).step_by(7).chain(file.len() - 60..file.len()) {
        for value in [0x00, 0x7f, 0xff] {
            let mut damaged = file.clone();
            damaged[position] = value;
            let _ = xz::decompress(&damaged, text.len() as u64);
        }
    }
    for length in [0, 1, 11, 12, 24, file.len() / 2, file.len() - 1] {
        assert!(xz::decompress(&file[..length], text.len() as u64).is_err(), "{length}");
    }
}
