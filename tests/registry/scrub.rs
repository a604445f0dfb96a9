//! Verification in the background.

use airlock::oci::digest::Digest;

use crate::command::{Process, get, serve};
use crate::support::Server;

#[test]
fn damage_is_found_before_anybody_asks() {
    let server = Server::start();
    let manifest = server.push_image("docker.io/library/x", "1.0", b"the bytes of a layer");
    let layer = Digest::of(b"the bytes of a layer");
    fs_err::write(server.store.root().join("blobs/sha256").join(layer.hex()), b"the bites of a layer")
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = server.store.root().to_str().unwrap();
    let arguments = ["--store", store, "--listen", "http://127.0.0.1:0"];
    let mut process = Process::start(&mut serve(directory.path(), &arguments));
    let address = process.address("http");
    let warning = process.wait_for("E0638");
    assert!(warning.contains(&layer.to_string()), "{warning}");
    assert!(warning.contains("needed by docker.io/library/x; "), "{warning}");
    assert!(warning.contains("airlock store repair --from"), "{warning}");
    // The manifest and the configuration are right; they may come after the layer.
    let verified = || get(&address, "/metrics").text();
    while !verified().contains("airlock_registry_verified_blobs_total 2\n") {
        std::thread::yield_now();
    }
    assert!(verified().contains("airlock_registry_damaged_blobs_total 1\n"));
    let found = get(&address, &format!("/v2/docker.io/library/x/manifests/{manifest}"));
    assert_eq!(found.status, 200);
}

#[test]
fn it_can_be_left_out() {
    let server = Server::start();
    let digest = server.push_blob("a", b"layer");
    let directory = tempfile::tempdir().unwrap();
    let store = server.store.root().to_str().unwrap();
    let arguments = ["--store", store, "--listen", "http://127.0.0.1:0", "--no-background-verification"];
    let mut process = Process::start(&mut serve(directory.path(), &arguments));
    let address = process.address("http");
    assert_eq!(get(&address, &format!("/v2/a/blobs/{digest}")).status, 200);
    process.wait_for(" 200 5 B ");
    assert!(get(&address, "/metrics").text().contains("airlock_registry_verified_blobs_total 0\n"));
}

#[test]
fn a_part_of_a_large_damaged_blob_never_ends() {
    let server = Server::start();
    // Larger than what is read on the spot; the zeros take no disk.
    let (length, digest) = (40 << 20, server.push_blob("a", b"small"));
    let path = server.store.root().join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
    fs_err::OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
    let part =
        server.ask("GET", &format!("/v2/a/blobs/{digest}"), &[("Range", "bytes=1000000-2999999")], b"");
    assert_eq!((part.status, part.header("content-length")), (206, Some("2000000")));
    assert!(part.body.len() < 2_000_000, "it breaks off");
    server.heard.wait_for("warning: E0638");
}

#[test]
fn parts_of_a_large_blob_come_from_one_check() {
    let server = Server::start();
    let bytes = vec![7; 40 << 20];
    let target = format!("/v2/a/blobs/{}", server.push_blob("a", &bytes));
    std::thread::scope(|scope| {
        for first in [0_usize, 20 << 20, 39 << 20] {
            let (server, target, bytes) = (&server, &target, &bytes);
            scope.spawn(move || {
                let range = format!("bytes={first}-{}", first + 999_999);
                let part = server.ask("GET", target, &[("Range", &range)], b"");
                assert_eq!(part.status, 206);
                assert!(part.body == bytes[first..first + 1_000_000]);
            });
        }
    });
    assert_eq!(server.get(&target).body.len(), bytes.len());
}
