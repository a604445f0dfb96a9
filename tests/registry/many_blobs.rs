//! A bundle of 100,000 blobs is served in place at once and with little memory.

use std::collections::HashMap;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use airlock::bundle::manifest::{Artifact, Descriptor, Image, ImagePlatform};
use airlock::bundle::writer::VolumeWriter;
use airlock::oci::digest::Digest;
use airlock::oci::platform::Platform;

use crate::bundles::{Contents, manifest, test_key};
use crate::command::{Process, get, serve};
use crate::support::descriptor;

const IMAGES: usize = 100;
const LAYERS: usize = 1000;

/// An image of tiny layers.
fn image(number: usize) -> (Artifact, Vec<Vec<u8>>) {
    let layers: Vec<Vec<u8>> =
        (0..LAYERS).map(|layer| format!("layer {layer} of {number}").into_bytes()).collect();
    let config = format!(r#"{{"architecture":"amd64","os":"linux","number":{number}}}"#).into_bytes();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let layer = |bytes: &Vec<u8>| descriptor("application/vnd.oci.image.layer.v1.tar", bytes);
    let root = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    let root = root.to_string().into_bytes();
    let digest = Digest::of(&root);
    let size = root.len() as u64;
    let blobs: Vec<Vec<u8>> = [vec![root, config], layers].concat();
    let name = format!("docker.io/library/image-{number}:1.0");
    let image = Image {
        origin: name.clone(),
        name,
        authenticated_by: "digest".to_owned(),
        root: Descriptor { media_type: media_type.to_owned(), digest, size },
        platforms: vec![ImagePlatform { platform: Platform::LinuxAmd64, manifest: digest }],
        referrers: Vec::new(),
        blobs: blobs.iter().map(|bytes| Digest::of(bytes)).collect(),
    };
    (Artifact::Image(image), blobs)
}

fn write(directory: &Path) {
    let (artifacts, blobs): (Vec<_>, Vec<_>) = (0..IMAGES).map(image).unzip();
    let blobs = blobs.concat();
    let contents = Contents { manifest: manifest(artifacts, &blobs), blobs };
    let places = contents.manifest.blobs.iter().enumerate();
    let places: HashMap<Digest, usize> = places.map(|(index, blob)| (blob.digest, index)).collect();
    let bytes = contents.manifest.to_bytes();
    let signature = contents.sign();
    let writer = VolumeWriter::new(&contents.manifest, &bytes, Some(&signature), None).unwrap();
    let mut file = BufWriter::new(fs_err::File::create(directory.join(writer.file_name(0))).unwrap());
    let written = writer.write_volume(0, &mut file, |piece, target| {
        let blob = &contents.blobs[places[&piece.blob.digest]];
        target.write_all(&blob[piece.start as usize..(piece.start + piece.length) as usize]).unwrap();
        Ok(())
    });
    written.unwrap();
    file.flush().unwrap();
}

/// Peak of resident memory of a process, in KiB (proc(5), VmHWM).
fn peak(process: u32) -> u64 {
    let status = fs_err::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes a minute without optimisation; `cargo test --release --test registry many_blobs -- --ignored`"]
fn many_blobs_are_served_in_place_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let stick = directory.path().join("stick");
    fs_err::create_dir(&stick).unwrap();
    write(&stick);
    let signer = airlock::trust::signature::Signer::public_key(&test_key()).allowed_line("test");
    fs_err::write(directory.path().join("signers"), signer).unwrap();
    let arguments = ["--in-place", "stick", "--allowed-signers", "signers", "--listen", "http://127.0.0.1:0"];
    let start = Instant::now();
    let mut process = Process::start(&mut serve(directory.path(), &arguments));
    let address = process.address("http");
    let layer = Digest::of(b"layer 999 of 99");
    let found = get(&address, &format!("/v2/docker.io/library/image-99/blobs/{layer}"));
    let (time, peak) = (start.elapsed(), peak(process.id()));
    assert_eq!((found.status, found.body), (200, b"layer 999 of 99".to_vec()));
    eprintln!("first blob after {time:?}, {} MiB at most", peak >> 10);
    // The signed manifest alone has about 20 MiB, which stay, as other nodes ask for them.
    assert!(time < Duration::from_secs(1) && peak < 96 << 10, "{time:?}, {peak} KiB");
}
