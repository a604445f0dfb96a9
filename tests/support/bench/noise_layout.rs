//! Images of incompressible bytes in an OCI image layout, and beside it in the form that `skopeo sync` reads.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};

use super::Result;
use super::corpus::succeed;
use super::images::{ImageLayout, OCI_MANIFEST};

/// How many images there are.
pub const IMAGES: u64 = 8;

/// Their names, without registry and tag.
pub fn names() -> impl Iterator<Item = String> {
    (1..=IMAGES).map(|number| format!("bench/noise-{number}"))
}

/// Makes images of two layers of `size` bytes, one of which all have, unless that was done before; how many bytes they
/// have in all.
pub fn make(directory: &Path, size: usize) -> Result<u64> {
    if !directory.join("index.json").exists() {
        let mut layout = ImageLayout::create(directory)?;
        let base = layer(&layout, 0, size)?;
        for (number, name) in (1..).zip(names()) {
            let own = layer(&layout, number, size)?;
            let image = image(&layout, &[&base, &own])?;
            layout.name(&format!("docker.io/{name}:1"), &image);
        }
        layout.finish()?;
        for name in names() {
            let target = directory.join("dir").join(&name);
            fs_err::create_dir_all(target.parent().ok_or("a name without a parent")?)?;
            let source = format!("oci:{}:docker.io/{name}:1", directory.display());
            let options = ["copy", "--quiet", "--preserve-digests"];
            succeed(
                Command::new("skopeo").args(options).arg(source).arg(format!("dir:{}", target.display())),
            )?;
        }
    }
    Ok((IMAGES + 1) * size as u64)
}

/// Makes one image with one layer of `size` bytes, unless that was done before.
pub fn make_large(directory: &Path, size: usize) -> Result<()> {
    if directory.join("index.json").exists() {
        return Ok(());
    }
    let mut layout = ImageLayout::create(directory)?;
    let layer = layer(&layout, 99, size)?;
    let image = image(&layout, &[&layer])?;
    layout.name("docker.io/bench/large:1", &image);
    Ok(layout.finish()?)
}

fn image(layout: &ImageLayout, layers: &[&Value]) -> Result<Value> {
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.add("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes())?,
        "layers": layers,
    });
    Ok(layout.add(OCI_MANIFEST, manifest.to_string().as_bytes())?)
}

// In a gzip that stores: clients look at the first bytes, and compress what is not compressed.
fn layer(layout: &ImageLayout, seed: u64, size: usize) -> Result<Value> {
    let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut encoder =
        GzBuilder::new().mtime(0).write(Vec::with_capacity(size + size / 1000), Compression::none());
    let mut piece = Vec::with_capacity(1 << 20);
    for _ in 0..size >> 20 {
        piece.clear();
        while piece.len() < 1 << 20 {
            // xorshift64 (Marsaglia, 2003).
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            piece.extend_from_slice(&noise.to_le_bytes());
        }
        encoder.write_all(&piece)?;
    }
    Ok(layout.add("application/vnd.oci.image.layer.v1.tar+gzip", &encoder.finish()?)?)
}
