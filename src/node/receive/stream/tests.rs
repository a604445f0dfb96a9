//! Tests of the format: what is written is read, and what is damaged never passes.

use proptest::prelude::*;

use super::*;
use crate::bundle::manifest::apt::example;

fn verified(sizes: &[u64]) -> VerifiedManifest {
    let mut manifest = example::manifest(Vec::new());
    manifest.blobs = (0_u8..)
        .zip(sizes)
        .map(|(number, size)| Blob { digest: Digest::of(&[number]), size: *size })
        .collect();
    VerifiedManifest { manifest, digest: Digest::of(b"manifest"), signers: Vec::new() }
}

fn signed() -> SignedManifest {
    let file = |bytes: &[u8]| SignatureFile { name: "a".to_owned(), bytes: bytes.to_vec() };
    SignedManifest { bytes: b"{}".to_vec(), signatures: vec![file(b"one"), file(b"")] }
}

#[test]
fn the_beginning_is_read_as_it_was_written() {
    let bytes = beginning(&Signed::from(&signed()));
    let read = read_beginning(&mut bytes.as_slice()).unwrap();
    assert_eq!(read.bytes, b"{}");
    assert_eq!(
        read.signatures.iter().map(|file| file.bytes.as_slice()).collect::<Vec<_>>(),
        [&b"one"[..], b""]
    );
    for length in 0..bytes.len() {
        let error = read_beginning(&mut &bytes[..length]).err().unwrap();
        assert_eq!(error.code(), codes::RECEIVE_CUT, "{length}");
    }
}

#[test]
fn nonsense_and_what_is_too_long_is_refused_before_it_is_read() {
    let long = format!("{{\"airlockBundle\":1,\"manifest\":{},\"signatures\":[]}}\n", u64::MAX);
    let signature = "{\"airlockBundle\":1,\"manifest\":1,\"signatures\":[999999999]}\n".to_owned();
    let other = "{\"airlockBundle\":2,\"manifest\":1,\"signatures\":[]}\n".to_owned();
    for text in [long, signature, other, "\n".to_owned(), "[]\n".to_owned(), "x".repeat(5000)] {
        let error = read_beginning(&mut text.as_bytes()).err().unwrap();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::RECEIVE_FORMAT, 3), "{text}");
    }
}

#[test]
fn blobs_that_the_bundle_does_not_have_are_refused() {
    let manifest = verified(&[3]).manifest;
    let next = |head: &BlobHead| Blobs::new(&manifest, &mut line(head).as_slice()).next_blob();
    let known = BlobHead { blob: manifest.blobs[0].digest, offset: 3 };
    assert_eq!(next(&known).unwrap(), Some(Lacking { blob: manifest.blobs[0], offset: 3 }));
    for head in [BlobHead { offset: 4, ..known.clone() }, BlobHead { blob: Digest::of(b"x"), offset: 0 }] {
        assert_eq!(next(&head).unwrap_err().code(), codes::RECEIVE_FORMAT);
    }
    assert_eq!(Blobs::new(&manifest, &mut &b""[..]).next_blob().unwrap(), None);
}

#[test]
fn empty_lines_before_a_blob_are_signs_of_life() {
    let manifest = verified(&[3]).manifest;
    let head = BlobHead { blob: manifest.blobs[0].digest, offset: 1 };
    let bytes = [b"\n\n", line(&head).as_slice(), b"\nx\n"].concat();
    let mut input = bytes.as_slice();
    let mut blobs = Blobs::new(&manifest, &mut input);
    assert_eq!(blobs.next_blob().unwrap(), Some(Lacking { blob: manifest.blobs[0], offset: 1 }));
    let mut content = [0; 2];
    assert_eq!((blobs.next_bytes(&mut content).unwrap(), &content), (2, b"\nx"));
    assert_eq!(blobs.next_blob().unwrap(), None);
}

#[test]
fn an_answer_about_other_blobs_is_refused() {
    let verified = verified(&[3, 4]);
    let lacks = |first, count, offset| Lacks {
        missing: vec![Range { first, count }],
        begun: vec![Begun { index: 0, offset }],
        ..Lacks::new(&verified, &[])
    };
    assert_eq!(lacks(0, 2, 3).blobs(&verified.manifest).unwrap().len(), 2);
    for wrong in [lacks(0, 3, 0), lacks(usize::MAX, 2, 0), lacks(0, usize::MAX, 0), lacks(0, 2, 4)] {
        assert_eq!(wrong.blobs(&verified.manifest).unwrap_err().code(), codes::REMOTE_ANSWER);
    }
    let twice = Lacks { missing: vec![Range { first: 0, count: 2 }; 2], ..lacks(0, 2, 0) };
    assert!(twice.blobs(&verified.manifest).is_err(), "it does not grow with what a host says");
}

proptest! {
    #[test]
    fn what_is_lacking_survives_the_way(
        lacking in proptest::collection::vec((1_u64..1000, any::<bool>(), 0_u64..1000), 0..40),
    ) {
        let sizes: Vec<u64> = lacking.iter().map(|(size, ..)| *size).collect();
        let verified = verified(&sizes);
        let blobs = verified.manifest.blobs.iter().zip(&lacking);
        let wanted: Vec<Lacking> = blobs
            .filter(|(_, (_, is_lacking, _))| *is_lacking)
            .map(|(blob, (size, _, offset))| Lacking { blob: *blob, offset: offset % (size + 1) })
            .collect();
        let told: Lacks = serde_json::from_slice(&line(&Lacks::new(&verified, &wanted))).unwrap();
        prop_assert_eq!(told.bytes, wanted.iter().map(|lacking| lacking.blob.size - lacking.offset).sum::<u64>());
        prop_assert_eq!(told.blobs(&verified.manifest).unwrap(), wanted);
    }

    #[test]
    fn no_input_is_understood_wrongly_or_ends_in_a_panic(bytes: Vec<u8>) {
        let manifest = verified(&[3]).manifest;
        prop_assert!(read_beginning(&mut bytes.as_slice()).is_err());
        let _ = Blobs::new(&manifest, &mut bytes.as_slice()).next_blob();
    }
}
