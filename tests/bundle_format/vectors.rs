//! The test vectors of `bundle-spec/vectors`, which another implementation can use too.

use airlock::bundle::arrangement::Arrangement;
use airlock::bundle::manifest::{Blob, Manifest};
use airlock::bundle::ustar;
use airlock::bundle::volume::VolumeHeader;
use airlock::oci::digest::Digest;
use serde::Deserialize;

use crate::support::manifest;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    comment: String,
    manifest_length: u64,
    signature_length: Option<u64>,
    volume_size: Option<u64>,
    oci_layout_length: u64,
    index_length: u64,
    blob_sizes: Vec<u64>,
    volumes: Vec<Volume>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Volume {
    length: u64,
    members: Vec<(String, u64, u64)>,
}

#[test]
fn arrangements_are_as_the_vectors_say() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../bundle-spec/vectors/arrangement.json")).unwrap();
    assert!(cases.len() >= 8);
    for case in cases {
        let manifest = manifest_of(&case);
        let found =
            Arrangement::new(&manifest, case.manifest_length, case.signature_length, case.volume_size)
                .unwrap();
        let found: Vec<_> = found.volumes().iter().map(describe).collect();
        assert_eq!(found, case.volumes, "{}", case.comment);
    }
}

fn manifest_of(case: &Case) -> Manifest {
    let mut manifest = manifest(Vec::new(), &[]);
    manifest.layout.oci_layout.size = case.oci_layout_length;
    manifest.layout.index.size = case.index_length;
    let blob =
        |(index, size): (usize, &u64)| Blob { digest: Digest::of(index.to_string().as_bytes()), size: *size };
    manifest.blobs = case.blob_sizes.iter().enumerate().map(blob).collect();
    manifest
}

fn describe(volume: &airlock::bundle::arrangement::Volume) -> Volume {
    let members = volume.members.iter().map(|member| (member.name(), member.offset, member.length));
    Volume { length: volume.length, members: members.collect() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Headers {
    tar: Vec<TarHeader>,
    volume: Vec<Header>,
}

#[derive(Deserialize)]
struct TarHeader {
    name: String,
    size: u64,
    sha256: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    bundle: String,
    volume: u32,
    volumes: u32,
    volume_size: u64,
    sha256: String,
}

#[test]
fn headers_are_as_the_vectors_say() {
    let vectors: Headers =
        serde_json::from_str(include_str!("../../bundle-spec/vectors/headers.json")).unwrap();
    assert!(vectors.tar.len() >= 4 && vectors.volume.len() >= 2);
    for header in vectors.tar {
        assert_eq!(
            Digest::of(&ustar::header(&header.name, header.size)).hex(),
            header.sha256,
            "{}",
            header.name
        );
    }
    for header in vectors.volume {
        let size = Some(header.volume_size).filter(|size| *size != 0);
        let bundle = Digest::from_hex(&header.bundle).unwrap();
        let found = VolumeHeader { bundle, volume: header.volume, volumes: header.volumes, size };
        assert_eq!(Digest::of(&found.to_bytes()).hex(), header.sha256);
    }
}
