//! What is transferred and what is not: the cache, equal blobs, resumed downloads, builds side by side.

use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use airlock::oci::digest::Digest;
use serde_json::Value;

use super::misbehaving;
use super::samples::images::{Family, ImageLayout};
use super::server::transfer::Pace;
use super::site::{MIXED, Site, noise, succeeded, until};

/// Images with layers that take a while, the first of them in two images.
pub const LARGE: &str = "\
images: [\"{upstream}/lab/a:1\", \"{upstream}/lab/b:1\", \"{upstream}/lab/c:1\", \"{upstream}/lab/d:1\"]
";

/// Size of the layers of [`LARGE`] in bytes, before compression that achieves nothing.
pub const LAYER: usize = 400_000;

/// Four images with a layer each; `a` and `b` share theirs.
pub fn large_images(data: &Path) {
    let mut layout = ImageLayout::create(&data.join("layout")).unwrap();
    for (name, seed) in [("a", 1), ("b", 1), ("c", 2), ("d", 3)] {
        let layer = layout.layer(Family::Oci, &[("data", 0o644, &noise(seed, LAYER))]).unwrap();
        let image = layout.image(Family::Oci, "amd64", &[layer], &["/bin/sh", name]).unwrap();
        layout.name(&format!("docker.io/lab/{name}:1"), &image);
    }
    layout.finish().unwrap();
}

/// The largest complete blob in a cache directory.
fn largest(site: &Site, cache: &str) -> PathBuf {
    let blobs = site.names(&format!("{cache}/blobs/sha256")).into_iter();
    let blobs = blobs.map(|name| site.path(cache).join("blobs/sha256").join(name));
    blobs.max_by_key(|path| fs_err::metadata(path).unwrap().len()).unwrap()
}

fn overwrite_last_byte(path: &Path) {
    let mut file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(b"!").unwrap();
}

/// Bytes that the upstream sent for the blob with this digest, from whatever repository.
fn sent_of(site: &Site, hex: &str) -> u64 {
    site.upstream.stats().matching(&format!("/blobs/sha256:{hex}")).bytes
}

const CACHE: &str = ".cache/airlock";

#[test]
fn a_second_build_transfers_nothing() {
    let site = Site::new(MIXED);
    site.must_build(&[]);
    site.upstream.reset_stats();
    site.run(&["bundle", "build", "-q", "-o", "again"]);
    site.must_verify("again");
    assert_eq!(site.upstream.stats().total.bytes, 0, "{:?}", site.upstream.stats());
}

#[test]
fn a_build_after_a_fetch_needs_no_network_at_all() {
    let mut site = Site::new(MIXED);
    let fetched = succeeded(site.run(&["bundle", "fetch", "-q"]));
    insta::assert_snapshot!(fetched);
    let address = site.address();
    // Another server means that nobody listens where the spec points to.
    site.upstream = super::server::Server::start(super::server::Options::new(&site.data("none"))).unwrap();
    assert_ne!(site.address(), address);
    site.must_build(&["--locked"]);
    site.must_verify("out");
}

#[test]
fn equal_blobs_are_fetched_once() {
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    site.must_build(&[]);
    let hex = largest(&site, CACHE).file_name().unwrap().to_str().unwrap().to_owned();
    for (path, traffic) in site.upstream.stats().paths.iter().filter(|(path, _)| path.contains("/blobs/")) {
        let digest = path.rsplit_once("sha256:").unwrap().1;
        let size = fs_err::metadata(site.data("layout/blobs/sha256").join(digest)).unwrap().len();
        assert!(traffic.bytes <= size, "{path}: {traffic:?}");
    }
    assert!(sent_of(&site, &hex) >= LAYER as u64);
    let shared = Digest::of(&fs_err::read(largest(&site, CACHE)).unwrap()).hex();
    assert_eq!(sent_of(&site, &shared), fs_err::metadata(largest(&site, CACHE)).unwrap().len());
}

#[test]
fn dropped_connections_are_resumed_where_they_broke() {
    let pace = Pace { fail_after: Some(150_000), bytes_per_second: Some(4_000_000) };
    let site = Site::with_data(LARGE, pace, large_images);
    let outcome = site.must_build(&[]);
    assert!(outcome.stderr.contains("trying again in"), "{outcome}");
    site.must_verify("out");
    let layer = largest(&site, CACHE);
    let (hex, size) = (layer.file_name().unwrap().to_str().unwrap(), fs_err::metadata(&layer).unwrap().len());
    // Three answers of 150,000 bytes at most; what a broken connection still held is sent again.
    assert!((size..size + 150_000).contains(&sent_of(&site, hex)), "{} of {size}", sent_of(&site, hex));
}

#[test]
fn a_damaged_blob_of_the_cache_is_found_and_fetched_again() {
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    site.must_build(&[]);
    let good = site.digests("out");
    let layer = largest(&site, CACHE);
    overwrite_last_byte(&layer);
    site.upstream.reset_stats();
    succeeded(site.run(&["bundle", "build", "-q", "-o", "again"]));
    assert_eq!(site.digests("again"), good);
    assert_eq!(site.sent(), fs_err::metadata(&layer).unwrap().len(), "only the damaged blob comes again");
}

#[test]
fn a_damaged_partial_file_is_found_and_fetched_again() {
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    site.must_build(&[]);
    let good = site.digests("out");
    let layer = largest(&site, CACHE);
    let partial = site.path(CACHE).join("partial").join(layer.file_name().unwrap());
    let whole = fs_err::read(&layer).unwrap();
    for damage in [noise(9, 1000), noise(9, whole.len()), noise(9, whole.len() + 1), Vec::new()] {
        fs_err::rename(&layer, &partial).unwrap();
        fs_err::write(&partial, &damage).unwrap();
        succeeded(site.run(&["bundle", "build", "-q", "-o", "again", "--no-check"]));
        assert_eq!(site.digests("again"), good);
        assert_eq!(fs_err::read(&layer).unwrap(), whole);
        fs_err::remove_file(site.path("again/lab-1.0.tar")).unwrap();
    }
}

#[test]
fn a_server_that_ignores_ranges_sends_the_blob_anew() {
    let mut site = Site::with_data(LARGE, Pace::default(), large_images);
    succeeded(site.run(&["bundle", "fetch", "-q"]));
    let layer = largest(&site, CACHE);
    let whole = fs_err::read(&layer).unwrap();
    fs_err::remove_file(&layer).unwrap();
    fs_err::write(site.path(CACHE).join("partial").join(layer.file_name().unwrap()), &whole[..300_000])
        .unwrap();
    let body = whole.clone();
    let server = misbehaving::Server::start(move |_, _| misbehaving::answer("200 OK", &[], &body));
    // The image keeps its name; only a mirror is asked first now.
    site.edit("plainHttp: true", &format!("plainHttp: true, mirrors: [\"{}\"]", server.url("")));
    succeeded(site.run(&["bundle", "fetch", "-q", "--locked"]));
    assert_eq!((fs_err::read(&layer).unwrap(), server.seen().len()), (whole, 1));
    assert!(server.seen()[0].header("range").is_some());
}

#[test]
fn a_good_partial_file_is_continued() {
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    succeeded(site.run(&["bundle", "fetch", "-q"]));
    let layer = largest(&site, CACHE);
    let whole = fs_err::read(&layer).unwrap();
    fs_err::remove_file(&layer).unwrap();
    fs_err::write(site.path(CACHE).join("partial").join(layer.file_name().unwrap()), &whole[..300_000])
        .unwrap();
    site.upstream.reset_stats();
    succeeded(site.run(&["bundle", "fetch", "-q"]));
    assert_eq!(site.sent(), whole.len() as u64 - 300_000);
    assert_eq!(fs_err::read(&layer).unwrap(), whole);
}

#[test]
fn two_builds_that_share_a_cache_fetch_each_blob_once() {
    let pace = Pace { bytes_per_second: Some(1_500_000), ..Pace::default() };
    let site = Site::with_data(LARGE, pace, large_images);
    succeeded(site.lock(&[]));
    site.upstream.reset_stats();
    let start = |output: &str| {
        site.command(&["bundle", "build", "--locked", "-q", "-o", output, "--cache-dir", "shared"])
            .spawn()
            .unwrap()
    };
    for child in [start("a"), start("b")] {
        succeeded(site.outcome(&child.wait_with_output().unwrap()));
    }
    assert_eq!(site.digests("a"), site.digests("b"));
    site.must_verify("a");
    let mut sizes = 0;
    for name in site.names("shared/blobs/sha256") {
        let size = fs_err::metadata(site.path("shared/blobs/sha256").join(&name)).unwrap().len();
        let sent = sent_of(&site, &name);
        assert!(sent == 0 || sent == size, "{name}: {sent} of {size}");
        sizes += sent;
    }
    assert!(sizes > 3 * LAYER as u64);
}

#[test]
fn two_builds_into_one_directory_do_not_mix() {
    let pace = Pace { bytes_per_second: Some(400_000), ..Pace::default() };
    let site = Site::with_data(LARGE, pace, large_images);
    succeeded(site.lock(&[]));
    let first = site.command(&["bundle", "build", "--locked", "-q", "-o", "out"]).spawn().unwrap();
    // The first one holds the directory from before its first volume on.
    until(|| site.path("out/lab-1.0.tar.partial").exists());
    insta::assert_snapshot!(site.build(&["--locked"]));
    succeeded(site.outcome(&first.wait_with_output().unwrap()));
    site.must_verify("out");
}

#[test]
fn plan_and_fetch_tell_the_same_number_of_bytes() {
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    let planned = succeeded(site.run(&["bundle", "plan", "-q", "--json"]));
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    let before = site.upstream.stats().matching("/blobs/").bytes;
    succeeded(site.run(&["bundle", "fetch", "-q"]));
    assert_eq!(planned["toFetch"], site.upstream.stats().matching("/blobs/").bytes - before);
}
