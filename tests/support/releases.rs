//! Makes a stand-in for a k3s release: the assets, names and checksum files of a real one, but not k3s.
//!
//! The "k3s" programs are copies of the program that is given (busybox, or the stand-in of `k3s-standin`) with a
//! line appended, and the image archives are empty. Their sums are real.
#![allow(dead_code, reason = "every test that includes this module uses a part of it")]

use std::io;
use std::path::Path;

use airlock::oci::digest::Digest;

/// Writes the release `tag` below `files` as `k3s-io/k3s/releases/download/<tag>/<asset>`.
pub fn make(files: &Path, tag: &str, program: &[u8], images: &[&str]) -> io::Result<()> {
    let directory = files.join("k3s-io/k3s/releases/download").join(tag);
    fs_err::create_dir_all(&directory)?;
    for (architecture, name) in [("amd64", "k3s"), ("arm64", "k3s-arm64")] {
        let mut sums = String::new();
        for (asset, bytes) in archives(architecture)? {
            sums += &sum_line(&bytes, &asset);
            fs_err::write(directory.join(asset), bytes)?;
        }
        let stand_in = stand_in(program, tag, architecture);
        // Upstream lists the binary after the archives.
        sums += &sum_line(&stand_in, name);
        fs_err::write(directory.join(name), stand_in)?;
        fs_err::write(directory.join(format!("sha256sum-{architecture}.txt")), sums)?;
    }
    let list: String = images.iter().map(|image| format!("{image}\n")).collect();
    fs_err::write(directory.join("k3s-images.txt"), list)
}

/// Lets the channel `name` point to `tag`. `channels` is the directory of that name of the upstream server.
pub fn point_channel(channels: &Path, name: &str, tag: &str) -> io::Result<()> {
    fs_err::create_dir_all(channels)?;
    fs_err::write(channels.join(name), format!("{tag}\n"))
}

/// The bytes of the program that stands in for k3s.
pub fn stand_in(program: &[u8], tag: &str, architecture: &str) -> Vec<u8> {
    // Bytes behind the last section of an ELF file do not disturb it.
    let note = format!("\nstand-in for k3s {tag} on {architecture}; this is not k3s\n");
    [program, note.as_bytes()].concat()
}

fn archives(architecture: &str) -> io::Result<[(String, Vec<u8>); 3]> {
    let index = br#"{"schemaVersion":2,"manifests":[]}"#;
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#;
    let tar = super::images::tar_of(&[("oci-layout", 0o644, layout), ("index.json", 0o644, index)])?;
    let name = format!("k3s-airgap-images-{architecture}");
    let gzip = super::images::gzip(&tar)?;
    let zstd = zstd::encode_all(&tar[..], 3)?;
    Ok([(format!("{name}.tar"), tar), (format!("{name}.tar.gz"), gzip), (format!("{name}.tar.zst"), zstd)])
}

// The format of sha256sum(1), which upstream uses.
fn sum_line(bytes: &[u8], name: &str) -> String {
    format!("{}  {name}\n", Digest::of(bytes).hex())
}
