//! Images go from Debian's docker-registry to ours and back, and every manifest stays as it was.

use std::collections::BTreeMap;
use std::process::Command;

use airlock::oci::digest::Digest;
use serde_json::Value;

use crate::docker_registry::DockerRegistry;
use crate::served::Served;
use crate::tools::{is_there, run};

const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Media types and digests of a manifest and everything that it and its children mention, by the bytes that come.
fn inventory(base: &str, repository: &str, reference: &str, found: &mut BTreeMap<String, String>) {
    let mut curl = Command::new("curl");
    curl.args(["-sSf", "--noproxy", "*", "--header", &format!("Accept: {ACCEPTED}")]);
    let bytes = run(curl.arg(format!("http://{base}/v2/{repository}/manifests/{reference}"))).stdout;
    let manifest: Value = serde_json::from_slice(&bytes).unwrap();
    found.insert(
        Digest::of(&bytes).to_string(),
        manifest["mediaType"].as_str().unwrap_or_default().to_owned(),
    );
    for child in manifest["manifests"].as_array().into_iter().flatten() {
        inventory(base, repository, child["digest"].as_str().unwrap(), found);
    }
    let layers = manifest["layers"].as_array().into_iter().flatten();
    for blob in layers.chain(manifest.get("config")) {
        let digest = blob["digest"].as_str().unwrap();
        let mut curl = Command::new("curl");
        curl.args(["-sSfL", "--noproxy", "*"]);
        let bytes = run(curl.arg(format!("http://{base}/v2/{repository}/blobs/{digest}"))).stdout;
        assert_eq!(Digest::of(&bytes).to_string(), digest);
        found.insert(digest.to_owned(), blob["mediaType"].as_str().unwrap().to_owned());
    }
}

#[test]
fn everything_is_the_same_there_and_back() {
    if !is_there("skopeo") || !is_there("curl") {
        return;
    }
    let Some(theirs) = DockerRegistry::start() else { return };
    let served = Served::start();
    let sample = served.sample("x");
    let copy = |options: &[&str], from: &str, to: &str| {
        let mut command =
            served.skopeo(&["copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false"]);
        command.args(options).args(["--dest-creds", &format!("ada:{}", served.token()), from, to]);
        run(&mut command);
    };
    let layout = format!("oci:{}:sample", sample.layout.display());
    let (there, here) =
        (format!("docker://{}/a/b", theirs.address), format!("docker://{}/a/b", served.plain));
    // The first is of OCI types, the second has Docker's: a list of schema 2 manifests.
    for (tag, format) in [("oci", "oci"), ("docker", "v2s2")] {
        copy(&["--format", format], &layout, &format!("{there}:{tag}"));
        copy(&["--preserve-digests"], &format!("{there}:{tag}"), &format!("{here}:{tag}"));
        copy(&["--preserve-digests"], &format!("{here}:{tag}"), &format!("{there}:{tag}-back"));
        let [original, ours, back] = [
            (&theirs.address, tag.to_owned()),
            (&served.plain, tag.to_owned()),
            (&theirs.address, format!("{tag}-back")),
        ]
        .map(|(base, reference)| {
            let mut found = BTreeMap::new();
            inventory(base, "a/b", &reference, &mut found);
            found
        });
        assert_eq!(original.len(), 1 + 2 * 3, "an index, and two images with their blobs");
        assert!(original.values().any(|kind| kind.contains(tag)), "{original:?}");
        assert_eq!((&ours, &back), (&original, &original));
    }
}

#[test]
fn whole_repositories_are_synchronised_and_images_deleted() {
    if !is_there("skopeo") {
        return;
    }
    let Some(theirs) = DockerRegistry::start() else { return };
    let served = Served::start();
    let (one, two) = (served.sample("one"), served.sample("two"));
    served.push(&one, "lab/x:1");
    served.push(&two, "lab/x:2");
    let mut synchronise = served.skopeo(&["sync", "--all", "--src", "docker", "--dest", "docker"]);
    synchronise.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
    run(synchronise.args([&format!("{}/lab/x", served.plain), &theirs.address]));
    for (tag, sample) in [("1", &one), ("2", &two)] {
        let mut found = BTreeMap::new();
        inventory(&theirs.address, "x", tag, &mut found);
        assert!(found.contains_key(&sample.digest), "{found:?}");
    }
    let image = format!("docker://{}/lab/x:1", served.plain);
    let delete = |more: &[&str]| {
        let mut command = served.skopeo(&["delete", "--tls-verify=false"]);
        command.args(more).arg(&image).output().unwrap().status.success()
    };
    assert!(!delete(&[]), "without a token nothing can be deleted");
    assert!(delete(&["--creds", &format!("ada:{}", served.token())]));
    let gone = served.skopeo(&["inspect", "--tls-verify=false", &image]).output().unwrap();
    assert!(!gone.status.success());
    assert_eq!(served.digest("lab/x/manifests/2"), two.digest, "the other one stays");
}
