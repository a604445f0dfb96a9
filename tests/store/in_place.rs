//! A bundle that is served in place answers as a store does into which it was imported.

use std::num::NonZeroUsize;
use std::sync::Arc;

use airlock::error::codes;
use airlock::oci::digest::ContentDigest;
use airlock::progress::Silent;
use airlock::store::{BundleContent, Content, Overlay, RepositoryName, Store, TagName};

use super::bundles::{Contents, VOLUME_SIZE};

fn bytes_of(content: &dyn Content, digest: &ContentDigest) -> Vec<u8> {
    let blob = content.blob(digest).unwrap().unwrap();
    let length = blob.length();
    let mut stream = blob.stream(0..length);
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 4096]);
    loop {
        match stream.next_bytes(&mut buffer).unwrap() {
            0 => return bytes,
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

#[test]
fn store_and_bundle_and_both_give_the_same_answers() {
    let contents = Contents::large();
    let volumes = contents.signed(Some(VOLUME_SIZE));
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("store")).unwrap();
    store.import(&volumes.verify().unwrap(), NonZeroUsize::MIN, &Silent).unwrap();
    let in_place = BundleContent::new(volumes.verify().unwrap()).unwrap();
    let both = Overlay::new(vec![
        Arc::new(store.clone()),
        Arc::new(BundleContent::new(volumes.verify().unwrap()).unwrap()),
    ]);
    let name = RepositoryName::new(Some("docker.io"), "library/golden").unwrap();
    let tag = TagName::new("1.0").unwrap();
    let contents_of = contents.manifest.blobs.iter().zip(&contents.blobs);
    for content in [&store as &dyn Content, &in_place, &both] {
        let digest = content.tag(&name, &tag).unwrap().unwrap();
        let manifest = content.manifest(&name, &digest).unwrap().unwrap();
        assert_eq!(manifest.media_type, "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(content.tags(&name, None, 10).unwrap().unwrap().names, ["1.0"]);
        assert_eq!(content.resolve_name("library/golden").unwrap(), std::slice::from_ref(&name));
        assert_eq!(content.repositories(None, 10).unwrap().names, ["docker.io/library/golden"]);
        for (blob, bytes) in contents_of.clone() {
            assert_eq!(bytes_of(content, &blob.digest.into()), *bytes);
            assert!(
                content.blob(&blob.digest.into()).unwrap().unwrap().is_verified(),
                "the second time it is known"
            );
        }
        let file = contents.manifest.blobs.last().unwrap().digest.into();
        assert!(content.blob_of(&name, &file).unwrap().is_none(), "a file belongs to no repository");
    }
}

#[test]
fn damage_on_the_medium_breaks_the_stream_off() {
    let contents = Contents::with_files(&[&[7; 100_000]]);
    let mut volumes = contents.signed(None);
    let middle = volumes.0[0].1.windows(64).position(|window| window == [7; 64]).unwrap() + 5_000;
    volumes.first()[middle] ^= 1;
    let content = BundleContent::new(volumes.verify().unwrap()).unwrap();
    let digest = contents.manifest.blobs.last().unwrap().digest.into();
    let blob = content.blob(&digest).unwrap().unwrap();
    let mut stream = blob.stream(0..100_000);
    let mut passed = 0;
    let error = loop {
        match stream.next_bytes(&mut [0; 4096]) {
            Ok(count) => passed += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), codes::STORE_BLOB_DAMAGED);
    assert!(passed < 100_000);
    let mut part = content.blob(&digest).unwrap().unwrap().stream(0..10);
    assert_eq!(part.next_bytes(&mut [0; 4096]).unwrap_err().code(), codes::STORE_BLOB_DAMAGED);
    assert_eq!(content.users_of(&digest).unwrap(), ["golden-1.0: /srv/file-0"]);
}

#[test]
fn other_tools_find_the_images_of_a_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::create(&directory.path().join("store")).unwrap();
    let bundle = Contents::large().signed(None).verify().unwrap();
    store.import(&bundle, NonZeroUsize::MIN, &Silent).unwrap();
    let index: serde_json::Value =
        serde_json::from_slice(&fs_err::read(store.root().join("index.json")).unwrap()).unwrap();
    let image = &index["manifests"][0];
    assert_eq!(image["annotations"]["org.opencontainers.image.ref.name"], "docker.io/library/golden:1.0");
    let from = format!("oci:{}:docker.io/library/golden:1.0", store.root().display());
    match std::process::Command::new("skopeo").args(["inspect", "--raw", &from]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(image["digest"], airlock::oci::digest::Digest::of(&output.stdout).to_string());
        }
        Err(_) => eprintln!("SKIPPED: there is no skopeo"),
    }
}
