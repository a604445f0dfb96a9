//! Images that lie on the provisioner's disk: layout directories, archives of layouts, `docker save`.

use std::io::Write as _;
use std::path::Path;

use airlock::oci::digest::Digest;
use serde_json::{Value, json};

use super::samples::images::{Family, ImageLayout, gzip, tar_of};
use super::site::{Site, has, noise, succeeded};

/// Two images of a layout, `1.0` and `2.0`, for linux/amd64.
fn write_layout(directory: &Path, seed: u32) {
    let mut layout = ImageLayout::create(directory).unwrap();
    for (name, seed) in [("1.0", seed), ("2.0", seed + 1)] {
        let layer = layout.layer(Family::Oci, &[("data", 0o644, &noise(seed, 50_000))]).unwrap();
        let image = layout.image(Family::Oci, "amd64", &[layer], &["/bin/app", name]).unwrap();
        layout.name(name, &image);
    }
    layout.finish().unwrap();
}

/// What `docker save` writes for `lab/app:1.0` and `lab/app:2.0`, which share a layer.
fn docker_save(path: &Path, compress: impl FnOnce(&[u8]) -> Vec<u8>) {
    let layers = [noise(1, 30_000), noise(2, 20_000)].map(|data| tar_of(&[("data", 0o644, &data)]).unwrap());
    let config = |layers: &[&[u8]]| {
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}})
            .to_string()
    };
    let (one, two) = (config(&[&layers[0]]), config(&[&layers[0], &layers[1]]));
    let list = json!([
        {"Config": "one.json", "RepoTags": ["lab/app:1.0"], "Layers": ["a/layer.tar"]},
        {"Config": "two.json", "RepoTags": ["lab/app:2.0"], "Layers": ["a/layer.tar", "b/layer.tar"]},
    ])
    .to_string();
    let tar = tar_of(&[
        ("a/layer.tar", 0o644, &layers[0]),
        ("b/layer.tar", 0o644, &layers[1]),
        ("one.json", 0o644, one.as_bytes()),
        ("two.json", 0o644, two.as_bytes()),
        ("manifest.json", 0o644, list.as_bytes()),
    ])
    .unwrap();
    fs_err::write(path, compress(&tar)).unwrap();
}

fn spec(from: &str) -> String {
    format!("images: [{{image: \"registry.lab/app:1.0\", from: \"{from}\"}}]\n")
}

/// The digest of the only image in `out`.
fn digest(site: &Site) -> String {
    let manifest: Value =
        serde_json::from_str(&site.shell("tar -xOf out/lab-1.0.tar manifest.json")).unwrap();
    let images =
        manifest["artifacts"].as_array().unwrap().iter().filter(|artifact| artifact["kind"] == "image");
    let images: Vec<&Value> = images.collect();
    assert_eq!((images.len(), &images[0]["name"]), (1, &"registry.lab/app:1.0".into()));
    images[0]["root"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn layouts_are_taken_as_directory_or_archive_whatever_the_compression() {
    let mut site = Site::new(&spec("oci:./app:1.0"));
    write_layout(&site.path("app"), 1);
    site.shell("tar -cf app.tar -C app . && gzip -k app.tar");
    let tar = fs_err::read(site.path("app.tar")).unwrap();
    fs_err::write(site.path("app.tar.zst"), zstd::encode_all(&tar[..], 1).unwrap()).unwrap();
    site.must_build(&[]);
    let expected = digest(&site);
    for from in
        ["oci:./app", "oci-archive:app.tar", "oci-archive:./app.tar.gz:1.0", "oci-archive:app.tar.zst"]
    {
        site.spec(&spec(from));
        succeeded(site.build(&[]));
        site.must_verify("out");
        assert_eq!(digest(&site), expected, "{from}");
    }
    site.spec(&spec("oci:./app:2.0"));
    site.must_build(&[]);
    assert_ne!(digest(&site), expected);
}

#[test]
fn what_docker_saves_gets_the_same_digest_every_time() {
    let mut site = Site::new(&spec("docker-archive:saved.tar:lab/app:1.0"));
    docker_save(&site.path("saved.tar"), <[u8]>::to_vec);
    docker_save(&site.path("saved.tar.gz"), |tar| gzip(tar).unwrap());
    docker_save(&site.path("saved.tar.zst"), |tar| zstd::encode_all(tar, 1).unwrap());
    site.must_build(&[]);
    let expected = digest(&site);
    for file in ["saved.tar.gz", "saved.tar.zst"] {
        site.spec(&spec(&format!("docker-archive:{file}:lab/app:1.0")));
        site.must_build(&["--cache-dir", &format!("cache-{file}")]);
        site.must_verify("out");
        assert_eq!(digest(&site), expected);
    }
}

#[test]
fn what_skopeo_saves_is_taken_as_well() {
    if !has("skopeo") {
        return;
    }
    let mut site = Site::new(&spec("docker-archive:saved.tar"));
    write_layout(&site.path("app"), 1);
    site.shell("skopeo --insecure-policy copy -q oci:app:1.0 docker-archive:saved.tar:lab/app:1.0");
    site.must_build(&[]);
    site.must_verify("out");
    site.spec(&spec("oci-archive:saved.oci"));
    site.shell("skopeo --insecure-policy copy -q oci:app:1.0 oci-archive:saved.oci:1.0");
    site.must_build(&[]);
    let index: Value = serde_json::from_slice(&fs_err::read(site.path("app/index.json")).unwrap()).unwrap();
    assert_eq!(digest(&site), index["manifests"][0]["digest"]);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let mut site = Site::new("");
    write_layout(&site.path("app"), 1);
    site.shell("tar -cf app.tar -C app . && head -c 40000 app.tar > cut.tar && gzip -c cut.tar > cut.tar.gz");
    docker_save(&site.path("saved.tar"), <[u8]>::to_vec);
    fs_err::write(site.path("page.tar"), "<html>please log in</html>").unwrap();
    fs_err::create_dir(site.path("empty")).unwrap();
    let mut said = String::new();
    for from in [
        "oci:app:3.0",
        "oci:nowhere",
        "oci:empty",
        "oci:app.tar",
        "oci-archive:app.tar:3.0",
        "oci-archive:app",
        "oci-archive:cut.tar",
        "oci-archive:cut.tar.gz",
        "oci-archive:page.tar",
        "oci-archive:saved.tar",
        "docker-archive:saved.tar",
        "docker-archive:saved.tar:lab/app:3.0",
        "docker-archive:app.tar",
        "docker-archive:nowhere.tar",
    ] {
        site.spec(&spec(from));
        said += &format!("== {from}\n{}", site.build(&[]));
    }
    insta::assert_snapshot!(said);
    assert!(!site.path("out").exists() && !site.path("bundle.lock").exists());
}

#[test]
fn a_layout_that_changed_after_the_lock_is_told_and_can_be_updated() {
    let site = Site::new(&spec("oci:./app:1.0"));
    write_layout(&site.path("app"), 1);
    site.must_build(&[]);
    let before = site.digests("out");
    site.shell("rm -r app");
    write_layout(&site.path("app"), 5);
    let refused = site.run(&["bundle", "build", "-q", "-o", "new", "--cache-dir", "fresh"]);
    insta::assert_snapshot!(refused);
    assert_eq!(site.digests("out"), before);
    insta::assert_snapshot!(site.lock(&["--update", "registry.lab/app:1.0"]));
    site.must_build(&["--locked"]);
    site.must_verify("out");
}

#[test]
fn an_image_that_lacks_a_platform_is_told_with_those_it_has() {
    let mut site = Site::new(&spec("oci:./app:1.0"));
    write_layout(&site.path("app"), 1);
    site.edit("platforms: [linux/amd64]\n", "platforms: [linux/amd64, linux/arm64]\n");
    let mut said = format!("== a single image\n{}", site.build(&[]));
    let mut layout = ImageLayout::create(&site.path("app")).unwrap();
    let layer = layout.layer(Family::Oci, &[("data", 0o644, b"x")]).unwrap();
    let image = layout.image(Family::Oci, "amd64", &[layer], &[]).unwrap();
    let index = layout.index(&[("amd64", &image), ("s390x", &image)]).unwrap();
    layout.name("1.0", &index);
    layout.finish().unwrap();
    said += &format!("== an index\n{}", site.build(&[]));
    insta::assert_snapshot!(said);
}

#[test]
fn a_damaged_archive_is_corrupt_and_leaves_nothing_behind() {
    let site = Site::new(&spec("oci-archive:app.tar:1.0"));
    write_layout(&site.path("app"), 1);
    let blob = site.names("app/blobs/sha256")[0].clone();
    let path = site.path("app/blobs/sha256").join(blob);
    let mut bytes = fs_err::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::File::create(&path).unwrap().write_all(&bytes).unwrap();
    site.shell("tar -cf app.tar -C app .");
    insta::assert_snapshot!(site.build(&[]));
    assert!(!site.path("out").exists());
}
