//! The sample data of the upstream server: a handful of images of every kind, and a stand-in k3s release.
#![allow(dead_code, reason = "every test that includes this module uses a part of it")]

#[path = "images.rs"]
pub mod images;
#[path = "releases.rs"]
pub mod releases;

use std::io;
use std::path::{Path, PathBuf};

use airlock::oci::digest::Digest;
use images::{Family, ImageLayout, Layer};

/// OCI index for two platforms, one gzip layer.
pub const BUSYBOX: &str = "docker.io/library/busybox:1.36";
/// OCI index for two platforms; shares its first layer with [`BUSYBOX`].
pub const PAUSE: &str = "docker.io/rancher/mirrored-pause:3.6";
/// OCI index for two platforms, one zstd layer.
pub const ZSTD: &str = "docker.io/rancher/mirrored-library-busybox:1.36.1";
/// Docker schema 2 manifest for linux/amd64 alone.
pub const DOCKER: &str = "docker.io/library/hello:1.0";
/// Single OCI manifest in another registry, with an SBOM as referrer and a cosign-style tag.
pub const SIGNED: &str = "quay.io/example/signed:1.0";
/// The images that `k3s-images.txt` lists.
pub const K3S_IMAGES: &[&str] = &[PAUSE, ZSTD];
/// The stand-in release of k3s.
pub const K3S_TAG: &str = "v1.36.3+k3s1";
/// Artifact type of the SBOM that refers to [`SIGNED`].
pub const SBOM: &str = "application/spdx+json";

/// Fills a data directory of the upstream server. `program` is a static busybox where the images shall run.
pub fn make(data: &Path, program: &[u8]) -> io::Result<()> {
    make_with_k3s(data, program, program)
}

/// The same with another program as the `k3s` of the release, such as the stand-in of `tests/support/k3s-standin`.
pub fn make_with_k3s(data: &Path, program: &[u8], k3s: &[u8]) -> io::Result<()> {
    let mut layout = ImageLayout::create(&data.join("layout"))?;
    let gzip = layout.layer(Family::Oci, &[("bin/busybox", 0o755, program), ("bin/sh", 0o755, program)])?;
    let zstd = layout.layer(Family::OciZstd, &[("bin/busybox", 0o755, program)])?;
    let note = layout.layer(Family::Oci, &[("etc/pause", 0o644, b"sleeps until it is stopped\n")])?;

    two_platforms(&mut layout, BUSYBOX, Family::Oci, std::slice::from_ref(&gzip), &["/bin/sh"])?;
    two_platforms(&mut layout, PAUSE, Family::Oci, &[gzip, note], &["/bin/busybox", "sleep", "2147483647"])?;
    two_platforms(&mut layout, ZSTD, Family::OciZstd, &[zstd], &["/bin/busybox", "true"])?;
    docker(&mut layout, program)?;
    signed(&mut layout, program)?;
    layout.finish()?;

    releases::make(&data.join("files"), K3S_TAG, k3s, K3S_IMAGES)?;
    for channel in ["stable", "v1.36"] {
        releases::point_channel(&data.join("channels"), channel, K3S_TAG)?;
    }
    Ok(())
}

/// The static busybox of the package `busybox-static`, where it is installed.
pub fn static_busybox() -> Option<PathBuf> {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    places.into_iter().find(|place| place.is_file())
}

// Both platforms hold the same program: what is tested is carrying images, not running foreign ones.
fn two_platforms(
    layout: &mut ImageLayout,
    name: &str,
    family: Family,
    layers: &[Layer],
    command: &[&str],
) -> io::Result<()> {
    let amd64 = layout.image(family, "amd64", layers, command)?;
    let arm64 = layout.image(family, "arm64", layers, command)?;
    let index = layout.index(&[("amd64", &amd64), ("arm64", &arm64)])?;
    layout.name(name, &index);
    Ok(())
}

fn docker(layout: &mut ImageLayout, program: &[u8]) -> io::Result<()> {
    let files: [images::LayerFile; 2] = [("bin/busybox", 0o755, program), ("etc/hello", 0o644, b"hello\n")];
    let layer = layout.layer(Family::Docker, &files)?;
    let image = layout.image(Family::Docker, "amd64", &[layer], &["/bin/busybox", "cat", "/etc/hello"])?;
    layout.name(DOCKER, &image);
    Ok(())
}

fn signed(layout: &mut ImageLayout, program: &[u8]) -> io::Result<()> {
    let files: [images::LayerFile; 2] = [("bin/busybox", 0o755, program), ("etc/signed", 0o644, b"signed\n")];
    let layer = layout.layer(Family::Oci, &files)?;
    let image = layout.image(Family::Oci, "amd64", &[layer], &["/bin/busybox", "true"])?;
    layout.name(SIGNED, &image);
    let digest: Digest = image["digest"].as_str().unwrap_or_default().parse().map_err(io::Error::other)?;
    let (repository, _) = SIGNED.rsplit_once(':').unwrap_or((SIGNED, ""));

    let sbom = layout.referrer(&image, SBOM, br#"{"spdxVersion":"SPDX-2.3","name":"signed"}"#)?;
    layout.name(&format!("{repository}@{}", sbom["digest"].as_str().unwrap_or_default()), &sbom);

    // The older scheme: no `subject`, found by its tag alone. The payload is a stand-in, not a real signature.
    let payload = layout.layer(Family::Oci, &[("signature", 0o644, b"stand-in for a cosign signature\n")])?;
    let signature = layout.image(Family::Oci, "amd64", &[payload], &[])?;
    layout.name(&format!("{repository}:sha256-{}.sig", digest.hex()), &signature);
    Ok(())
}
