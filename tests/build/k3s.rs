//! k3s releases: versions, channels, checksums, the image list, and releases that contradict themselves.

use super::samples::{K3S_TAG, releases};
use super::site::{Site, noise, succeeded};

const VERSION: &str =
    "k3s: {version: v1.36.3+k3s1, baseUrl: \"http://{upstream}/k3s-io/k3s/releases/download\"}\n";
const CHANNEL: &str = "k3s: {channel: stable, images: false, baseUrl: \"http://{upstream}/k3s-io/k3s/releases/download\", channelUrl: \"http://{upstream}/v1-release/channels\"}\n";

fn asset(site: &Site, name: &str) -> std::path::PathBuf {
    site.data("files/k3s-io/k3s/releases/download").join(K3S_TAG).join(name)
}

#[test]
fn both_platforms_get_their_own_program() {
    let mut site = Site::new(CHANNEL);
    site.edit("platforms: [linux/amd64]", "platforms: [linux/amd64, linux/arm64]");
    site.must_build(&[]);
    site.must_verify("out");
    for (platform, name) in [("linux/amd64", "k3s"), ("linux/arm64", "k3s-arm64")] {
        succeeded(site.run(&["bundle", "extract", "out", "--k3s", platform, "-o", name, "-q"]));
        assert_eq!(fs_err::read(site.path(name)).unwrap(), fs_err::read(asset(&site, name)).unwrap());
    }
    // Only the checksummed programs are fetched: no archive of images, no list.
    let stats = site.upstream.stats();
    assert_eq!((stats.matching("airgap").requests, stats.matching("k3s-images.txt").requests), (0, 0));
}

#[test]
fn images_of_k3s_may_stand_in_the_spec_as_well() {
    let body = format!("{VERSION}images: [docker.io/rancher/mirrored-pause:3.6]\n");
    let site = Site::new(&body);
    site.must_build(&[]);
    site.must_verify("out");
    assert_eq!(site.lock_text().matches("mirrored-pause:3.6").count(), 1);
}

#[test]
fn a_release_that_contradicts_itself_is_refused() {
    type Damage = fn(&Site);
    let cases: [(&str, &str, Damage); 9] = [
        ("a program that does not match its checksum", VERSION, |site| {
            fs_err::write(asset(site, "k3s"), noise(3, 100_057)).unwrap();
        }),
        ("a checksum file without the program", VERSION, |site| {
            let sums = fs_err::read_to_string(asset(site, "sha256sum-amd64.txt")).unwrap();
            fs_err::write(asset(site, "sha256sum-amd64.txt"), sums.replace("  k3s\n", "  k4s\n")).unwrap();
        }),
        ("a checksum that is none", VERSION, |site| {
            fs_err::write(asset(site, "sha256sum-amd64.txt"), "beef  k3s\n").unwrap();
        }),
        ("no checksum file", VERSION, |site| {
            fs_err::remove_file(asset(site, "sha256sum-amd64.txt")).unwrap();
        }),
        ("an empty image list", VERSION, |site| fs_err::write(asset(site, "k3s-images.txt"), "\n").unwrap()),
        ("an image list that is a page", VERSION, |site| {
            fs_err::write(asset(site, "k3s-images.txt"), "<html>\n").unwrap();
        }),
        ("a version that does not exist", VERSION, |site| {
            fs_err::remove_dir_all(asset(site, "k3s").parent().unwrap()).unwrap();
        }),
        ("a channel that does not exist", CHANNEL, |site| {
            fs_err::remove_file(site.data("channels/stable")).unwrap();
        }),
        ("a channel that leads to no release", CHANNEL, |site| {
            releases::point_channel(&site.data("channels"), "stable", "latest").unwrap();
        }),
    ];
    let mut said = String::new();
    for (what, body, damage) in cases {
        let site = Site::new(body);
        damage(&site);
        said += &format!("== {what}\n{}", site.build(&[]));
        assert!(!site.path("out/lab-1.0.tar").exists());
    }
    insta::assert_snapshot!(said);
}

#[test]
fn an_image_of_the_list_that_lacks_a_platform_is_told() {
    let mut site = Site::new(VERSION);
    site.edit("platforms: [linux/amd64]", "platforms: [linux/amd64, linux/arm64]");
    fs_err::write(asset(&site, "k3s-images.txt"), "docker.io/library/hello:1.0\n").unwrap();
    insta::assert_snapshot!(site.build(&[]));
}
