//! What is read, and what is refused with which message.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn descriptor(media_type: &str) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(b"x").to_string(), "size": 1})
}

fn image_json() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+zstd")],
    })
}

fn index_json() -> Value {
    let mut arm = descriptor(OCI_MANIFEST);
    arm["platform"] = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let mut attestation = descriptor(OCI_MANIFEST);
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": Digest::of(b"image").to_string(),
    });
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [arm, attestation]})
}

fn parse_json(value: &Value, media_type: Option<&str>) -> Result<Document> {
    parse(value.to_string().as_bytes(), media_type)
}

#[test]
fn an_index_gives_its_platforms_and_attestations() {
    let Document::Index(index) = parse_json(&index_json(), Some(OCI_INDEX)).unwrap() else { panic!("image") };
    let [arm, attestation] = &index.entries[..] else { panic!("{:?}", index.entries) };
    assert!(arm.is_for(Platform::LinuxArm64) && !arm.is_for(Platform::LinuxAmd64) && !arm.is_attestation());
    assert!(attestation.is_attestation() && !attestation.is_for(Platform::LinuxAmd64));
    assert_eq!(attestation.attests(), Some(Digest::of(b"image")));
}

#[test]
fn an_image_gives_its_config_layers_and_subject() {
    let mut value = image_json();
    value["subject"] = descriptor(OCI_MANIFEST);
    value["artifactType"] = json!("application/spdx+json");
    let Document::Image(image) = parse_json(&value, Some("application/json")).unwrap() else {
        panic!("index")
    };
    assert_eq!((image.layers.len(), image.config.size), (1, 1));
    assert_eq!(image.subject.unwrap().digest, Digest::of(b"x"));
    assert_eq!(image.artifact_type.as_deref(), Some("application/spdx+json"));
}

#[test]
fn the_media_type_comes_from_the_document_the_server_or_the_form() {
    let mut value = image_json();
    value.as_object_mut().unwrap().remove("mediaType");
    for (served_as, expected) in [
        (None, OCI_MANIFEST),
        (Some("text/plain; charset=utf-8"), OCI_MANIFEST),
        (Some("application/vnd.docker.distribution.manifest.v2+json; charset=utf-8"), DOCKER_MANIFEST),
    ] {
        let Document::Image(image) = parse_json(&value, served_as).unwrap() else { panic!("index") };
        assert_eq!(image.media_type, expected);
    }
}

/// A document that is wrong in one way, how it was served, the exit status and a part of the message.
fn with(base: Value, member: &str, value: Value) -> Value {
    let mut document = base;
    *document.pointer_mut(member).unwrap_or_else(|| panic!("no {member}")) = value;
    document
}

fn adding(base: Value, member: &str, value: Value) -> Value {
    let mut document = base;
    document[member] = value;
    document
}

#[test]
fn wrong_documents_are_refused_with_exit_status_3() {
    let layer = || descriptor("application/vnd.oci.image.layer.v1.tar");
    let upper = format!("sha256:{}", Digest::of(b"x").hex().to_uppercase());
    let cases: Vec<(Value, Option<&str>, &str)> = vec![
        // 86: both kinds at once (GHSA-5j5w)
        (adding(image_json(), "manifests", json!([])), None, "at once"),
        (adding(index_json(), "layers", json!([])), Some(OCI_INDEX), "at once"),
        (adding(index_json(), "config", layer()), None, "at once"),
        (image_json(), Some(OCI_INDEX), "it was served as"),
        (index_json(), Some(DOCKER_LIST), "it was served as"),
        // 88: sizes
        (with(image_json(), "/layers/0/size", json!(-1)), None, "said to have -1 bytes"),
        (with(image_json(), "/config/size", json!(1_u64 << 41)), None, "said to have 2199023255552 bytes"),
        (with(image_json(), "/config/size", json!(u64::MAX)), None, "not the JSON of a manifest"),
        (adding(image_json(), "layers", json!(vec![layer(); 1025])), None, "1025 layers"),
        (adding(index_json(), "manifests", json!(vec![layer(); 4097])), None, "4097 entries"),
        // 89: digests
        (with(image_json(), "/config/digest", json!("sha512:00")), None, "`sha512` is not supported"),
        (with(image_json(), "/layers/0/digest", json!(upper)), None, "is not a SHA-256 digest"),
        (with(image_json(), "/layers/0/digest", json!("sha256:../../etc")), None, "is not a SHA-256 digest"),
        // kinds that are not carried
        (adding(image_json(), "mediaType", json!("a/\u{1b}[31m")), None, "is not supported"),
        (json!({"schemaVersion": 1, "fsLayers": []}), None, "schema 1"),
        (image_json(), Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), "schema 1"),
        (
            adding(image_json(), "layers", json!([adding(layer(), "urls", json!(["http://x"]))])),
            None,
            "foreign layer",
        ),
        (
            with(
                image_json(),
                "/layers/0/mediaType",
                json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            ),
            None,
            "foreign layer",
        ),
        (json!({"schemaVersion": 2}), None, "without `config`"),
        (json!({}), None, "lacks `schemaVersion: 2`"),
        (json!([1]), None, "not the JSON of a manifest"),
    ];
    for (document, served_as, message) in cases {
        let error = parse_json(&document, served_as).expect_err(message);
        assert_eq!(error.kind().exit_status(), 3, "{message}");
        assert!(error.message().contains(message), "{message}: {}", error.message());
        assert!(error.help().is_some(), "{message}");
        assert!(!error.message().contains('\u{1b}'));
    }
}

#[test]
fn a_member_given_twice_is_refused() {
    let text = image_json().to_string().replacen("\"layers\"", "\"layers\":[],\"layers\"", 1);
    assert!(parse(text.as_bytes(), None).unwrap_err().message().contains("duplicate"));
}

#[test]
fn documents_over_4_mib_are_refused_before_they_are_read() {
    let error = parse(&vec![b' '; (4 << 20) + 1], None).unwrap_err();
    assert!(error.message().contains("4194305 bytes"), "{}", error.message());
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..400) {
        let _ = parse(&bytes, None);
        let text = index_json().to_string();
        let _ = parse(&text.as_bytes()[..cut.min(text.len())], Some(OCI_INDEX));
    }
}
