//! What a finished bundle holds, seen by airlock and by the tools that everybody has.

use std::path::Path;

use airlock::oci::digest::Digest;
use serde_json::Value;

use super::samples::images::{Family, ImageLayout, OCI_MANIFEST};
use super::server::transfer::Pace;
use super::site::{MIXED, Site, has, succeeded};

/// The images of the samples, one of every kind, with the k3s images.
const IMAGES: &str = "\
k3s: {channel: stable, baseUrl: \"http://{upstream}/k3s-io/k3s/releases/download\", channelUrl: \"http://{upstream}/v1-release/channels\"}
images:
  - docker.io/library/busybox:1.36
  - image: docker.io/library/hello:1.0
    platforms: [linux/amd64]
  - image: \"{upstream}/quay.io/example/signed:1.0\"
    platforms: [linux/amd64]
    referrers: true
";

/// The layout of the whole bundle in `out`, extracted to `layout`.
fn extract(site: &Site) -> Value {
    succeeded(site.run(&["bundle", "extract", "out", "--all", "-o", "layout", "-q"]));
    serde_json::from_slice(&fs_err::read(site.path("layout/index.json")).unwrap()).unwrap()
}

/// The artifacts of the bundle in `out`.
fn artifacts(site: &Site) -> Vec<Value> {
    let manifest = site.shell("tar -xOf out/lab-1.0.tar manifest.json");
    serde_json::from_str::<Value>(&manifest).unwrap()["artifacts"].as_array().unwrap().clone()
}

fn image<'a>(artifacts: &'a [Value], part: &str) -> &'a Value {
    artifacts
        .iter()
        .find(|artifact| artifact["name"].as_str().is_some_and(|name| name.contains(part)))
        .unwrap()
}

fn blob(site: &Site, digest: &Value) -> std::path::PathBuf {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    site.path("layout/blobs/sha256").join(hex)
}

#[test]
fn a_build_reports_what_it_made_and_a_second_one_finds_it_there() {
    let site = Site::new(MIXED);
    insta::assert_snapshot!(site.must_build(&[]));
    site.must_verify("out");
    let files = site.digests("out");
    insta::assert_snapshot!(site.must_build(&[]));
    assert_eq!(site.digests("out"), files);
    assert_eq!(
        site.names("out"),
        ["README.txt", "install", "lab-1.0.sha256", "lab-1.0.sha256.sig", "lab-1.0.tar"]
    );
    let readme = fs_err::read(site.path("out/README.txt")).unwrap();
    let output = std::process::Output { status: Default::default(), stdout: readme, stderr: Vec::new() };
    insta::assert_snapshot!(site.outcome(&output).stdout);
}

#[test]
fn a_plan_shows_what_a_build_would_fetch_and_changes_nothing() {
    let site = Site::new(MIXED);
    insta::assert_snapshot!(site.run(&["bundle", "plan", "-q"]));
    assert!(!site.path("bundle.lock").exists() && !site.path("out").exists());
    site.must_build(&[]);
    let planned = succeeded(site.run(&["bundle", "plan", "-q", "--json"]));
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!((&planned["toFetch"], &planned["lockChanges"]), (&0.into(), &Value::Array(Vec::new())));
}

#[test]
fn results_as_json_are_one_document() {
    let site = Site::new(MIXED);
    let built: Value = serde_json::from_str(&site.must_build(&["--json"]).stdout).unwrap();
    assert_eq!(
        (&built["unchanged"], &built["volumes"]),
        (&false.into(), &serde_json::json!(["out/lab-1.0.tar"]))
    );
    let fetched = succeeded(site.run(&["bundle", "fetch", "--json", "-q"]));
    let fetched: Value = serde_json::from_str(&fetched.stdout).unwrap();
    assert_eq!(fetched["transferredBlobs"], 0);
    let locked: Value = serde_json::from_str(&succeeded(site.lock(&["--json"])).stdout).unwrap();
    assert_eq!((&locked["serial"], &locked["unchanged"]), (&1.into(), &true.into()));
}

#[test]
fn stock_tools_accept_the_bundle() {
    let site = Site::new(MIXED);
    site.must_build(&[]);
    if has("ssh-keygen") {
        let verified = site.shell(
            "cd out; signers=$HOME/.config/airlock/allowed_signers
             who=$(ssh-keygen -Y find-principals -f $signers -s lab-1.0.sha256.sig)
             ssh-keygen -Y verify -f $signers -I $who -n airlock.sha256.v1 -s lab-1.0.sha256.sig < lab-1.0.sha256",
        );
        assert!(verified.starts_with("Good \"airlock.sha256.v1\" signature for release@lab"), "{verified}");
    }
    assert_eq!(site.shell("cd out; sha256sum -c lab-1.0.sha256"), "install: OK\nlab-1.0.tar: OK\n");
    site.shell("mkdir unpacked; tar -xf out/lab-1.0.tar -C unpacked");
    site.shell(
        "cd unpacked/blobs/sha256; for blob in *; do echo \"$blob  $blob\"; done | sha256sum -c --quiet",
    );
    assert!(site.path("unpacked/oci-layout").is_file() && site.path("unpacked/index.json").is_file());
    assert_eq!(site.shell("out/install && echo it runs"), "it runs\n");
}

#[test]
fn every_image_leaves_the_bundle_with_the_digest_it_was_published_with() {
    let mut site = Site::new(IMAGES);
    site.edit("[linux/amd64]\nreg", "[linux/amd64, linux/arm64]\nreg");
    site.must_build(&[]);
    assert!(site.path("out/install-amd64").is_file() && site.path("out/install-arm64").is_file());
    let index = extract(&site);
    let artifacts = artifacts(&site);
    let images: Vec<&Value> = artifacts.iter().filter(|artifact| artifact["kind"] == "image").collect();
    assert_eq!(images.len(), 5);
    for entry in index["manifests"].as_array().unwrap() {
        let bytes = fs_err::read(blob(&site, &entry["digest"])).unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), entry["digest"]);
        // The upstream has the very same bytes.
        assert_eq!(bytes, fs_err::read(upstream_blob(&site, &entry["digest"])).unwrap());
    }
    if !has("skopeo") {
        return;
    }
    for (number, image) in images.into_iter().enumerate() {
        for platform in image["platforms"].as_array().unwrap() {
            copied_by_skopeo(&site, image["name"].as_str().unwrap(), platform, number);
        }
    }
}

/// Copies one platform of an image out of the layout and compares the manifest that comes out.
fn copied_by_skopeo(site: &Site, name: &str, platform: &Value, number: usize) {
    let manifest = platform["manifest"].as_str().unwrap();
    if site.shell(&format!("cat layout/blobs/{}", manifest.replace(':', "/"))).contains("vnd.docker") {
        // The `oci:` transport of skopeo knows OCI media types only, so no digest can survive it.
        return;
    }
    let architecture = platform["platform"].as_str().unwrap().strip_prefix("linux/").unwrap();
    let target = format!("copy-{number}-{architecture}");
    let copy = format!(
        "skopeo --insecure-policy --override-arch {architecture} copy -q --preserve-digests 'oci:layout:{name}'"
    );
    site.shell(&format!("{copy} dir:{target}; {copy} oci:{target}-oci:x"));
    let bytes = fs_err::read(site.path(&target).join("manifest.json")).unwrap();
    assert_eq!(Digest::of(&bytes).to_string(), manifest, "{name}");
    let index = fs_err::read_to_string(site.path(&format!("{target}-oci/index.json"))).unwrap();
    assert!(index.contains(manifest), "{index}");
}

fn upstream_blob(site: &Site, digest: &Value) -> std::path::PathBuf {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    site.data("layout/blobs/sha256").join(hex)
}

#[test]
fn an_index_keeps_its_bytes_and_leaves_other_platforms_behind() {
    let site = Site::new("images: [docker.io/library/busybox:1.36]\n");
    site.must_build(&[]);
    extract(&site);
    let artifacts = artifacts(&site);
    let root = &image(&artifacts, "busybox")["root"]["digest"];
    let index: Value = serde_json::from_slice(&fs_err::read(blob(&site, root)).unwrap()).unwrap();
    let there: Vec<(String, bool)> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let architecture = entry["platform"]["architecture"].as_str().unwrap().to_owned();
            (architecture, blob(&site, &entry["digest"]).exists())
        })
        .collect();
    assert_eq!(there, [("amd64".to_owned(), true), ("arm64".to_owned(), false)]);
}

#[test]
fn referrers_travel_when_asked_for_and_stay_behind_otherwise() {
    let body = "images: [{image: \"{upstream}/quay.io/example/signed:1.0\", referrers: true}]\n";
    let mut site = Site::new(body);
    site.must_build(&[]);
    let signed = image(&artifacts(&site), "signed").clone();
    let found: Vec<(&Value, &Value)> = signed["referrers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|referrer| (&referrer["artifactType"], &referrer["tag"]))
        .collect();
    let tag = format!("{}.sig", signed["root"]["digest"].as_str().unwrap().replace(':', "-"));
    assert_eq!(found, [(&"application/spdx+json".into(), &Value::Null), (&Value::Null, &tag.into())]);
    extract(&site);
    let sbom = site.shell("cat layout/blobs/sha256/* | grep -ac SPDX-2.3");
    assert_eq!(sbom, "1\n");

    site.edit("referrers: true", "referrers: false");
    site.must_build(&[]);
    let plain = image(&artifacts(&site), "signed").clone();
    assert!(plain["referrers"].as_array().is_none_or(Vec::is_empty), "{plain}");
    assert!(plain["blobs"].as_array().unwrap().len() < signed["blobs"].as_array().unwrap().len());
}

/// An index as BuildKit makes it: an image, and beside it an attestation about that image.
fn attested(data: &Path) {
    let mut layout = ImageLayout::create(&data.join("layout")).unwrap();
    let layer = layout.layer(Family::Oci, &[("etc/app", 0o644, b"app\n")]).unwrap();
    let image = layout.image(Family::Oci, "amd64", &[layer], &["/bin/app"]).unwrap();
    let statement = layout.add("application/vnd.in-toto+json", br#"{"_type":"in-toto"}"#).unwrap();
    let config = layout.add("application/vnd.oci.image.config.v1+json", br#"{"os":"unknown"}"#).unwrap();
    let attestation = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [statement],
    });
    let mut attestation = layout.add(OCI_MANIFEST, attestation.to_string().as_bytes()).unwrap();
    attestation["annotations"] = serde_json::json!({
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image["digest"],
    });
    let index = layout.index(&[("amd64", &image), ("unknown", &attestation)]).unwrap();
    layout.name("docker.io/library/attested:1", &index);
    layout.finish().unwrap();
}

#[test]
fn attestations_of_buildkit_travel_when_asked_for() {
    let body = "images: [{image: \"{upstream}/library/attested:1\", referrers: true}]\n";
    let mut site = Site::with_data(body, Pace::default(), attested);
    site.must_build(&[]);
    extract(&site);
    let statements = "cat layout/blobs/sha256/* | grep -aFc in-toto\\\"} || true";
    assert_eq!(site.shell(statements), "1\n");
    site.edit("referrers: true", "referrers: false");
    site.must_build(&[]);
    fs_err::rename(site.path("layout"), site.path("with")).unwrap();
    extract(&site);
    assert_eq!(site.shell(statements), "0\n");
}
