//! Peak memory does not grow with the bundle: one image with a layer of 4 GiB.

use std::io::{self, Read as _};

use airlock::oci::digest::Hasher;
use serde_json::json;

use super::Result;
use super::airlock_program::{Airlock, Place, spec};
use super::images::{ImageLayout, OCI_MANIFEST};
use super::measure::{Table, timed};
use super::server::{Options, Server};

const LAYER: u64 = 4 << 30;

/// Builds and verifies, and compares the peaks with the promise.
pub fn run(airlock: &Airlock, table: &mut Table) -> Result<()> {
    let data = airlock.output.join("memory-upstream");
    if !data.join("layout/index.json").exists() {
        make_image(&data.join("layout"))?;
    }
    let server = Server::start(Options::new(&data))?;
    let text = spec(&server.url(), &["docker.io/bench/large:1".to_owned()], &[]);
    let place = Place::fresh(&airlock.output.join("memory"), &text)?;
    for (name, cost) in [
        ("build, layer of 4 GiB", timed(&mut airlock.build(&place, &[]))?),
        ("verify, layer of 4 GiB", timed(&mut airlock.verify(&place.bundle, None))?),
    ] {
        table.fact(name, format!("{:.1} s", cost.time.as_secs_f64()));
        table.at_most(&format!("peak memory in MiB, {name}"), cost.peak_kib as f64 / 1024.0, 96.0);
    }
    Ok(())
}

// The layer is of zeros and takes no disk here; carrying it takes as long as carrying anything else.
fn make_image(directory: &std::path::Path) -> Result<()> {
    let mut layout = ImageLayout::create(directory)?;
    let partial = directory.join("layer.partial");
    fs_err::File::create(&partial)?.set_len(LAYER)?;
    let mut hasher = Hasher::new();
    let mut zeros = io::repeat(0).take(LAYER);
    let mut buffer = vec![0; 1 << 20];
    while hasher.length() < LAYER {
        let length = zeros.read(&mut buffer)?;
        hasher.update(&buffer[..length]);
    }
    let digest = hasher.finish();
    fs_err::rename(partial, directory.join("blobs/sha256").join(digest.hex()))?;

    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.add("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?,
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": LAYER}],
    });
    let image = layout.add(OCI_MANIFEST, manifest.to_string().as_bytes())?;
    layout.name("docker.io/bench/large:1", &image);
    Ok(layout.finish()?)
}
