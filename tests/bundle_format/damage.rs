//! Every way a bundle can be broken (rows 51-64, 74-76 of the list of bad inputs), with the exit status and
//! the words the user reads. Rows 62 and 64 (compression) have no counterpart: nothing in a bundle is
//! compressed by the format. Row 73 needs the state of a node.

use airlock::bundle::arrangement::Content;
use airlock::bundle::volume::{self, VolumeHeader};
use airlock::bundle::{Bundle, ustar};
use airlock::oci::digest::Digest;
use proptest::prelude::*;

use crate::support::*;

fn small() -> Contents {
    Contents::with_files(&[b"one\n", b"two\n"])
}

/// Replaces the tar header at `offset` by that of another name or size.
fn reframe(bytes: &mut [u8], offset: usize, name: &str, size: u64) {
    bytes[offset..offset + 512].copy_from_slice(&ustar::header(name, size));
}

#[test]
fn an_undamaged_bundle_passes() {
    for (contents, size) in [(small(), None), (Contents::large(), Some(VOLUME_SIZE))] {
        let report = contents.signed(size).check().unwrap();
        assert_eq!(report.blobs, contents.manifest.blobs.len());
        assert_eq!(report.bytes, contents.manifest.total_size());
    }
}

#[test]
fn files_that_are_no_bundle_are_named_for_what_they_are() {
    let mut iso = vec![0; 40_000];
    iso[32_769..32_774].copy_from_slice(b"CD001");
    let mut other_tar = ustar::header("hello.txt", 5).to_vec();
    other_tar.resize(4096, 0);
    let noise: Vec<u8> =
        (0..5000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (bytes, expected) in [
        (Vec::new(), "this is an empty file"),
        (vec![0; 5000], "this is a file of zeros"),
        (noise, "this is a file of an unknown format"),
        (b"PK\x03\x04 and more".to_vec(), "this is a zip archive"),
        (b"\x1f\x8b\x08".to_vec(), "this is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd....".to_vec(), "this is compressed with zstd"),
        (iso, "this is an ISO image"),
        (other_tar, "this is another tar archive, beginning with `hello.txt`"),
    ] {
        expect_error(Volumes(vec![("lab-1.tar".to_owned(), bytes)]).open(), 3, expected);
    }
}

#[test]
fn truncation_is_found_at_every_boundary_and_elsewhere() {
    let contents = Contents::large();
    let whole = contents.signed(None);
    let (name, bytes) = &whole.0[0];
    let bundle = whole.verify().unwrap();
    let members = &bundle.arrangement().volumes()[0].members;
    let boundaries = members.iter().flat_map(|member| {
        let end = member.offset + member.length;
        [member.offset - 512, member.offset, end, ustar::padded(end)]
    });
    let spread = (1..=100).map(|step| bytes.len() as u64 * step / 101 + step);
    let last = bytes.len() as u64;
    for length in boundaries.chain(spread).chain([last - 1024, last - 512, last - 1]) {
        let cut = Volumes(vec![(name.clone(), bytes[..length as usize].to_vec())]);
        let status = if length == 0 { 3 } else { 4 };
        let error = expect_error(cut.check(), status, "");
        let says_so = whole_text(&error).contains(&format!("{length} bytes"));
        assert!(length == 0 || says_so, "{}", whole_text(&error));
    }
}

#[test]
fn a_flipped_bit_is_found_in_every_structure() {
    let contents = Contents::large();
    for size in [None, Some(VOLUME_SIZE)] {
        let whole = contents.signed(size);
        let bundle = whole.verify().unwrap();
        for (index, volume) in bundle.arrangement().volumes().iter().enumerate() {
            let mut places = vec![volume.length - 1024, volume.length - 1];
            for member in &volume.members {
                let end = member.offset + member.length;
                places.extend([member.offset - 512, member.offset - 300, member.offset - 1]);
                places.extend((member.length > 0).then_some(member.offset));
                places.extend((member.length > 0).then(|| end - 1));
                places.extend((end % 512 != 0).then_some(end));
            }
            for place in places {
                let mut damaged = whole.clone();
                damaged.0[index].1[place as usize] ^= 0x10;
                let error = damaged.check().expect_err(&format!("volume {index}, byte {place}"));
                assert!([3, 4, 5].contains(&error.kind().exit_status()), "{}", whole_text(&error));
                let in_file_name = &damaged.0[index].0;
                assert!(whole_text(&error).contains(in_file_name), "byte {place}: {}", whole_text(&error));
            }
        }
    }
}

#[test]
fn damage_in_a_blob_names_volume_offset_and_artifacts() {
    let whole = small().signed(None);
    let bundle = whole.verify().unwrap();
    let layer = bundle.arrangement().extents(3)[0];
    let file = bundle.arrangement().extents(6)[0];
    let mut damaged = whole.clone();
    for offset in [layer.offset, file.offset] {
        damaged.first()[offset as usize] ^= 1;
    }
    let error = expect_error(damaged.check(), 4, "the bundle is damaged in 2 places");
    assert!(error.details()[0].contains(&format!("golden-1.0.tar at byte {}", layer.offset)));
    assert!(error.details()[0].ends_with("needed by docker.io/library/golden:1.0"));
    assert!(error.details()[1].ends_with("needed by /srv/file-1"));
}

#[test]
fn swapped_reordered_and_unlisted_blobs_are_found() {
    let contents = small();
    let whole = contents.signed(None);
    let bundle = whole.verify().unwrap();
    let [first, second] = [5, 6].map(|blob| bundle.arrangement().extents(blob)[0]);
    let swap = |with_header: usize| {
        let mut damaged = whole.clone();
        let bytes = damaged.first();
        for at in 0..512 + with_header {
            bytes.swap(first.offset as usize - with_header + at, second.offset as usize - with_header + at);
        }
        damaged
    };
    expect_error(swap(0).check(), 4, "has the digest");
    expect_error(swap(512).check(), 4, "the tar header of blobs/sha256/");
    let mut extra = whole.clone();
    let end = extra.first().len() - 1024;
    extra.first().splice(end..end, [ustar::header("extra", 0)].concat());
    expect_error(extra.check(), 4, "512 unexpected bytes after the end");
    let mut garbage = whole.clone();
    garbage.first().push(0);
    expect_error(garbage.check(), 4, "1 unexpected bytes after the end");
}

#[test]
fn a_member_twice_or_of_another_size_is_found() {
    let contents = small();
    let whole = contents.signed(None);
    let bundle = whole.verify().unwrap();
    let members = bundle.arrangement().volumes()[0].members.clone();
    let index = members.iter().find(|member| member.content == Content::Index).unwrap();
    let marker = members.iter().find(|member| member.content == Content::OciLayout).unwrap();
    let mut twice = whole.clone();
    reframe(twice.first(), marker.offset as usize - 512, "index.json", marker.length);
    expect_error(twice.check(), 4, "");
    let mut smaller = whole.clone();
    reframe(smaller.first(), index.offset as usize - 512, "index.json", index.length - 1);
    expect_error(smaller.check(), 4, "the tar header of index.json");
}

#[test]
fn an_absurd_manifest_length_takes_no_memory() {
    let mut whole = small().signed(None);
    reframe(whole.first(), 1024, "manifest.json", (1 << 33) - 512);
    expect_error(whole.open(), 3, "the format allows 67108864");
    // 2^63 can only be written in the binary extension of tar.
    whole.first()[1024 + 124] = 0x80;
    expect_error(whole.open(), 3, "the format allows 67108864");
    // Within the limit, but beyond the file.
    reframe(whole.first(), 1024, "manifest.json", 60 * 1024 * 1024);
    expect_error(whole.open(), 4, "manifest.json alone reaches to byte");
}

#[test]
fn other_tar_dialects_are_not_read() {
    let whole = small().signed(None);
    let bundle = whole.verify().unwrap();
    let member = bundle.arrangement().volumes()[0].members[5];
    for (at, byte) in
        [(156, b'1'), (156, b'2'), (156, b'x'), (156, b'L'), (124, 0x80), (100, b'4'), (345, b'a')]
    {
        let mut damaged = whole.clone();
        damaged.first()[member.offset as usize - 512 + at] = byte;
        expect_error(damaged.check(), 4, "the tar header of blobs/sha256/");
    }
}

#[test]
fn missing_double_and_foreign_volumes_are_named() {
    let whole = Contents::large().signed(Some(VOLUME_SIZE));
    assert_eq!(whole.0.len(), 2);
    for (missing, expected) in [
        (0, "volume 1 of 2 is missing: golden-1.0.1-of-2.tar"),
        (1, "volume 2 of 2 is missing: golden-1.0.2-of-2.tar"),
    ] {
        let mut lacking = whole.clone();
        lacking.0.remove(missing);
        expect_error(lacking.open(), 4, expected);
    }
    let mut twice = whole.clone();
    twice.0.push(("copy.tar".to_owned(), twice.0[1].1.clone()));
    expect_error(twice.open(), 4, "volume 2 of 2 is there twice: golden-1.0.2-of-2.tar and copy.tar");
    let other = Contents::with_files(&[&[1; 150_000]]).signed(Some(VOLUME_SIZE));
    let mut foreign = whole.clone();
    foreign.0[1] = other.0[1].clone();
    expect_error(foreign.open(), 4, "belongs to another bundle");
    let recut = Contents::large().signed(Some(VOLUME_SIZE + 512));
    let mut mixed = whole.clone();
    mixed.0[1] = recut.0[1].clone();
    expect_error(mixed.open(), 4, "belongs to another bundle");
}

#[test]
fn the_order_of_volumes_does_not_matter() {
    let parts: Vec<u8> = (0..1_500_000u32).map(|number| (number % 249) as u8).collect();
    let mut whole = Contents::with_files(&[&parts]).signed(Some(VOLUME_SIZE));
    assert!(whole.0.len() > 10, "numbers of two digits");
    whole.0.reverse();
    whole.0.swap(2, 7);
    assert!(whole.check().is_ok());
}

#[test]
fn a_volume_header_that_lies_is_refuted_by_the_manifest() {
    let contents = small();
    let bundle = Digest::of(&contents.manifest.to_bytes());
    let lie = |header: VolumeHeader| {
        let mut whole = contents.signed(None);
        whole.first()[512..1024].copy_from_slice(&header.to_bytes());
        whole
    };
    let honest = VolumeHeader { bundle, volume: 1, volumes: 1, size: None };
    assert!(lie(honest).check().is_ok());
    expect_error(lie(VolumeHeader { volumes: 2, ..honest }).open(), 4, "volume 2 of 2 is missing");
    expect_error(lie(VolumeHeader { bundle: Digest::of(b""), ..honest }).open(), 4, "manifest.json at byte");
    let small = VolumeHeader { size: Some(volume::MIN_SIZE), ..honest };
    assert!(lie(small).check().is_ok(), "the same cut, said in another way");
}

#[test]
fn newer_formats_are_told_from_damage() {
    let mut whole = small().signed(None);
    let text = String::from_utf8(whole.first()[512..1024].to_vec()).unwrap();
    let newer = text.replace("airlock.volume.v1", "airlock.volume.v2");
    whole.first()[512..1024].copy_from_slice(newer.as_bytes());
    expect_error(whole.open(), 3, "needs a newer airlock: its format is `airlock.volume.v2`");
}

#[test]
fn a_source_of_the_wrong_length_is_noticed_while_writing() {
    use airlock::bundle::writer::VolumeWriter;
    let contents = small();
    let bytes = contents.manifest.to_bytes();
    let writer = VolumeWriter::new(&contents.manifest, &bytes, None, None).unwrap();
    let mut target = std::io::Cursor::new(Vec::new());
    expect_error(writer.write_volume(0, &mut target, |_, _| Ok(())), 4, "gave 0 bytes instead of");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), change in 1u8..) {
        let mut whole = small().signed(None);
        let at = at.index(whole.first().len());
        whole.first()[at] ^= change;
        prop_assert!(whole.check().is_err(), "byte {at}");
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000), header in any::<bool>()) {
        let mut bytes = bytes;
        if header {
            bytes.splice(0..0, volume::tar_header());
        }
        prop_assert!(Volumes(vec![("noise.tar".to_owned(), bytes)]).check().is_err());
    }
}

#[test]
fn replacing_a_volume_while_it_is_read_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let whole = small().signed(None);
    whole.write_to(directory.path());
    let path = directory.path().join("golden-1.0.tar");
    let open = || Bundle::open(&path).unwrap().verify(&test_policy()).unwrap();
    let bundle = open();
    assert!(check(&bundle).is_ok());
    let other = directory.path().join("other");
    fs_err::write(&other, &whole.0[0].1).unwrap();
    fs_err::rename(&other, &path).unwrap();
    expect_error(check(&bundle), 4, "was changed or replaced while it was read");
    let bundle = open();
    fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(9000).unwrap();
    expect_error(check(&bundle), 4, "was changed or replaced while it was read");
}
