//! The cutting rule against its promises, without any content.

use super::*;
use crate::bundle::ustar::{self, BLOCK, MAX_MEMBER, TRAILER};
use crate::bundle::volume::{MAX_VOLUMES, MIN_SIZE};
use crate::error::codes;
use proptest::prelude::*;

fn manifest(sizes: &[u64]) -> Manifest {
    let blob = |(index, size): (usize, &u64)| Blob { digest: Digest::of(&index.to_be_bytes()), size: *size };
    Manifest {
        format: crate::bundle::manifest::FORMAT.to_owned(),
        requires: Vec::new(),
        name: "lab".to_owned(),
        version: "1".to_owned(),
        channel: "stable".to_owned(),
        serial: 1,
        created: String::new(),
        platforms: Vec::new(),
        hosts: Vec::new(),
        layout: layout::describe(&[]),
        artifacts: Vec::new(),
        blobs: sizes.iter().enumerate().map(blob).collect(),
    }
}

/// Everything that must hold for any arrangement.
fn check(sizes: &[u64], manifest_length: u64, signature: Option<u64>, limit: Option<u64>) -> Arrangement {
    let manifest = manifest(sizes);
    let arrangement = Arrangement::new(&manifest, manifest_length, signature, limit).unwrap();
    let mut names = std::collections::HashSet::new();
    for volume in arrangement.volumes() {
        assert!(limit.is_none_or(|limit| volume.length <= limit));
        assert_eq!(volume.members[0].content, Content::Header);
        let mut position = 0;
        for member in &volume.members {
            assert_eq!(member.offset, position + BLOCK, "members leave no gap");
            assert!(member.length <= MAX_MEMBER);
            position = member.offset + ustar::padded(member.length);
            let name = member.name();
            assert!(name.len() <= 100);
            assert!(member.content == Content::Header || names.insert(name), "names are unique");
        }
        assert_eq!(volume.length, position + TRAILER);
    }
    for (index, size) in sizes.iter().enumerate() {
        let extents = arrangement.extents(index);
        assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), *size);
        assert!(extents.is_sorted_by_key(|extent| (extent.volume, extent.offset)));
        let (_, cut) = extents.split_last().unwrap();
        assert!(cut.iter().all(|extent| extent.length >= MIN_PIECE), "only the last piece may be small");
    }
    arrangement
}

#[test]
fn a_small_bundle_lies_as_the_document_says() {
    let arrangement = check(&[1000, 0, 5], 700, Some(300), None);
    let [volume] = arrangement.volumes() else { panic!("one volume") };
    let names: Vec<_> = volume.members.iter().map(Member::name).collect();
    assert_eq!(
        names[..5],
        ["airlock-volume", "manifest.json", "manifest.json.sig", "oci-layout", "index.json"]
    );
    let offsets: Vec<_> = volume.members.iter().map(|member| member.offset).collect();
    assert_eq!(offsets, [512, 1536, 3072, 4096, 5120, 6144, 7680, 8192]);
    assert_eq!(volume.length, 8192 + 512 + 1024);
}

#[test]
fn what_fits_exactly_is_not_cut_and_one_byte_more_is() {
    let head = check(&[], 512, None, Some(MIN_SIZE)).volumes()[0].length - TRAILER;
    let room = MIN_SIZE - head - BLOCK - TRAILER;
    let exact = check(&[room], 512, None, Some(MIN_SIZE));
    assert_eq!((exact.volumes().len(), exact.volumes()[0].length), (1, MIN_SIZE));
    let more = check(&[room + 1], 512, None, Some(MIN_SIZE));
    assert_eq!(more.volumes().len(), 2);
    assert_eq!(more.extents(0)[1].length, 1);
    assert!(more.volumes()[1].members[1].name().ends_with(".00002"));
}

#[test]
fn a_piece_below_the_minimum_is_not_started() {
    let head = check(&[], 512, None, Some(MIN_SIZE)).volumes()[0].length - TRAILER;
    let room = MIN_SIZE - head - BLOCK - TRAILER;
    for (rest, expected) in [(MIN_PIECE, 2), (MIN_PIECE - BLOCK, 1)] {
        let first = room - rest - BLOCK;
        let arrangement = check(&[first, MIN_PIECE + 1], 512, None, Some(MIN_SIZE));
        assert_eq!(arrangement.extents(1).len(), expected, "room for {rest} bytes");
    }
}

#[test]
fn blobs_around_the_limits_of_32_and_33_bits_are_placed() {
    for power in [31u32, 32, 33] {
        for size in [(1u64 << power) - 1, 1 << power, (1 << power) + 1] {
            let whole = check(&[size], 1000, Some(300), None);
            assert_eq!(whole.extents(0).len(), if size <= MAX_MEMBER { 1 } else { 2 }, "{size}");
            check(&[size], 1000, Some(300), Some((1 << 32) - 512));
        }
    }
}

#[test]
fn a_thousand_and_one_volumes_are_numbered() {
    let arrangement = check(&[1001 * (MIN_SIZE - 5 * BLOCK) - 8000], 700, None, Some(MIN_SIZE));
    assert_eq!(arrangement.volumes().len(), 1001);
    assert!(arrangement.volumes()[1000].members[1].name().ends_with(".01001"));
}

#[test]
fn impossible_sizes_are_refused_with_what_would_do() {
    let refuse = |sizes: &[u64], length, limit| {
        let error = Arrangement::new(&manifest(sizes), length, None, Some(limit)).unwrap_err();
        assert_eq!(error.code(), codes::VOLUME_SIZE);
        assert!(error.help().is_some());
        error.message().to_owned()
    };
    assert!(refuse(&[], 10, MIN_SIZE - 512).contains("cannot have"));
    assert!(refuse(&[], 10, MIN_SIZE + 1).contains("cannot have"));
    assert!(refuse(&[], MIN_SIZE, MIN_SIZE).contains("first volume needs"));
    assert!(refuse(&[(1 << 53) - 1], 10, MIN_SIZE).contains(&format!("more than {MAX_VOLUMES} volumes")));
}

proptest! {
    #[test]
    fn every_byte_has_one_place(
        sizes in prop::collection::vec(prop_oneof![0u64..2000, 60_000u64..70_000, 0u64..600_000], 0..40),
        manifest_length in 0u64..60_000,
        signature in prop::option::of(1u64..2000),
        blocks in prop::option::of(256u64..2000),
    ) {
        let limit = blocks.map(|blocks| blocks * BLOCK);
        let arrangement = check(&sizes, manifest_length, signature, limit);
        prop_assert_eq!(&arrangement, &check(&sizes, manifest_length, signature, limit));
    }
}
