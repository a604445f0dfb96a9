//! How soon the registry of a node answers that serves a large bundle in place.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use airlock::bundle::manifest::{Artifact, Blob, File};
use airlock::bundle::writer::VolumeWriter;
use airlock::node::run;
use airlock::oci::digest::Digest;
use airlock::progress::Silent;

use super::bundles;
use super::machine::{Host, contents};

/// The promise, in the release build.
const PROMISE: Duration = Duration::from_secs(2);

/// A plain file of so many bytes, all of them a hole on the disk. Its digest is wrong; nothing may read it.
fn add_hole(host: &Host, size: u64) {
    let mut contents = contents();
    let hole = Blob { digest: Digest::of(b"never read"), size };
    let file = File {
        path: "/srv/model".to_owned(),
        mode: "0644".to_owned(),
        origin: "files/model".to_owned(),
        authenticated_by: "local file".to_owned(),
        blob: hole,
    };
    let blobs = contents.manifest.blobs.clone();
    contents.manifest.artifacts.push(Artifact::File(file));
    contents.manifest = bundles::manifest(contents.manifest.artifacts, &contents.blobs);
    contents.manifest.blobs.push(hole);
    let (bytes, signature) = (contents.manifest.to_bytes(), contents.sign());
    let writer = VolumeWriter::new(&contents.manifest, &bytes, Some(&signature), None).unwrap();
    let mut target = fs_err::File::create(host.medium().join(writer.file_name(0))).unwrap();
    let fill = |piece: &airlock::bundle::writer::Piece, target: &mut fs_err::File| {
        match blobs.iter().position(|blob| *blob == piece.blob) {
            Some(index) => target.write_all(&contents.blobs[index]).unwrap(),
            None => drop(target.seek(SeekFrom::Current(piece.length as i64)).unwrap()),
        }
        Ok(())
    };
    writer.write_volume(0, &mut target, fill).unwrap();
}

#[test]
#[ignore = "measures time"]
fn a_large_bundle_in_place_is_served_at_once() {
    let host = Host::new();
    add_hole(&host, 10 << 30);
    let start = Instant::now();
    // From opening the bundle on: what `install` does before, with and after its first steps.
    let mut steps = host.steps(true);
    let end = steps.iter().position(|step| step.name() == "registry-ca").unwrap();
    steps.truncate(end);
    let done = run::run("install", &steps, &host.machine, &Silent).unwrap();
    let elapsed = start.elapsed();
    assert_eq!(done.changed.last(), Some(&"registry"));
    eprintln!("from install to registry ready: {:.2} s", elapsed.as_secs_f64());
    assert!(elapsed < PROMISE, "{elapsed:?}");
}
