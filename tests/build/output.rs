//! What a build leaves in its directory, whatever was there before and however it ends.

use std::path::PathBuf;

use super::fetching::{LARGE, large_images};
use super::server::transfer::Pace;
use super::site::{MIXED, Site, succeeded, until};

const ONE: &str = "images: [\"{upstream}/lab/d:1\"]\n";

/// A site whose `out` holds a small bundle, and whose spec and lock ask for a larger one by now.
fn outgrown(pace: Pace) -> Site {
    let mut site = Site::with_data(ONE, pace, large_images);
    site.must_build(&[]);
    site.spec(LARGE);
    succeeded(site.lock(&[]));
    site
}

/// The layer of an image in the data directory of the upstream.
fn layer(site: &Site, image: &str) -> PathBuf {
    let blobs = site.data("layout/blobs/sha256");
    let read = |hex: &str| -> serde_json::Value {
        serde_json::from_slice(&fs_err::read(blobs.join(hex)).unwrap()).unwrap()
    };
    let index: serde_json::Value =
        serde_json::from_slice(&fs_err::read(site.data("layout/index.json")).unwrap()).unwrap();
    let named = |entry: &&serde_json::Value| {
        entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().contains(image)
    };
    let entry = index["manifests"].as_array().unwrap().iter().find(named).unwrap();
    let hex = |value: &serde_json::Value| value.as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    blobs.join(hex(&read(&hex(&entry["digest"]))["layers"][0]["digest"]))
}

#[test]
fn an_older_bundle_stays_whole_until_the_new_one_is_complete() {
    let site = outgrown(Pace { bytes_per_second: Some(1_000_000), ..Pace::default() });
    let older = site.digests("out");
    let child = site.command(&["bundle", "build", "--locked", "-q", "-o", "out"]).spawn().unwrap();
    until(|| site.path("out/lab-1.0.tar.partial").exists());
    site.must_verify("out");
    succeeded(site.outcome(&child.wait_with_output().unwrap()));
    site.must_verify("out");
    let newer = site.digests("out");
    let names = |files: &[(String, _)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&newer), names(&older));
    assert_ne!(newer, older);
}

#[test]
fn a_build_that_fails_half_way_costs_neither_the_older_bundle_nor_what_was_fetched() {
    let site = outgrown(Pace::default());
    let older = site.digests("out");
    let damaged = layer(&site, "lab/a");
    let good = fs_err::read(&damaged).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    fs_err::write(&damaged, bad).unwrap();
    insta::assert_snapshot!(site.build(&["--locked"]));
    site.must_verify("out");
    let mut after = site.digests("out");
    after.retain(|(name, _)| !name.ends_with(".partial"));
    assert_eq!(after, older);

    fs_err::write(&damaged, &good).unwrap();
    site.upstream.reset_stats();
    site.must_build(&["--locked"]);
    site.must_verify("out");
    assert!(!site.names("out").iter().any(|name| name.ends_with(".partial")));
    let sent = site.upstream.stats().matching("/blobs/").bytes;
    // Two layers and the small documents around them; the third layer was in the cache all the time.
    let most = 2 * good.len() as u64 + 10_000;
    assert!(sent <= most, "only what failed or was under way comes again: {sent}");
}

#[test]
fn fewer_volumes_leave_nothing_of_the_former_ones() {
    let site = Site::new(MIXED);
    site.must_build(&["--volume-size", "128KiB"]);
    site.must_verify("out");
    let volumes = site.names("out").iter().filter(|name| name.ends_with(".tar")).count();
    assert!(volumes > 3, "{:?}", site.names("out"));
    succeeded(site.run(&["key", "generate", "--no-passphrase", "-o", "second"]));
    succeeded(site.run(&["bundle", "sign", "out", "--key", "second"]));
    fs_err::write(site.path("out/holiday.jpg"), "not ours").unwrap();
    fs_err::write(site.path("out/lab-1.0.tar.partial"), "of a killed build").unwrap();
    fs_err::write(site.path("motd"), "changed\n").unwrap();
    succeeded(site.lock(&["--update", "/etc/motd"]));
    site.must_build(&[]);
    site.must_verify("out");
    assert_eq!(
        site.names("out"),
        ["README.txt", "holiday.jpg", "install", "lab-1.0.sha256", "lab-1.0.sha256.sig", "lab-1.0.tar"]
    );
}

#[test]
fn cutting_the_same_bundle_anew_keeps_the_signatures_of_others() {
    let site = Site::new(MIXED);
    site.must_build(&[]);
    succeeded(site.run(&["key", "generate", "--no-passphrase", "-o", "second"]));
    succeeded(site.run(&["bundle", "sign", "out", "--key", "second"]));
    site.must_build(&["--volume-size", "128KiB"]);
    succeeded(site.run(&["bundle", "verify", "out", "--signatures", "2", "-q"]));
}

#[test]
fn volumes_join_by_the_commands_of_their_own_readme() {
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    site.must_build(&["--volume-size", "512KiB"]);
    site.must_verify("out");
    let readme = fs_err::read_to_string(site.path("out/README.txt")).unwrap();
    let start = readme.find("    tar -xf").unwrap();
    let commands: Vec<&str> = readme[start..].lines().filter_map(|line| line.strip_prefix("    ")).collect();
    assert!(commands.iter().any(|command| command.starts_with("cat blobs/")), "{readme}");
    site.shell(&format!("cp -r out copy; cd copy; {}", commands.join("; ")));
    site.shell("cd copy/blobs/sha256; rm -f *.0*; for blob in *; do echo \"$blob  $blob\"; done | sha256sum -c --quiet");
    site.shell("cd out; sha256sum -c --quiet lab-1.0.sha256");
    let limit = 512 << 10;
    let volumes = site.names("out").into_iter().filter(|name| name.ends_with(".tar"));
    for volume in volumes {
        assert!(fs_err::metadata(site.path("out").join(&volume)).unwrap().len() <= limit, "{volume}");
    }
}

#[test]
fn a_target_that_cannot_be_written_is_told_before_anything_is_fetched() {
    let site = Site::new(MIXED);
    succeeded(site.lock(&[]));
    site.upstream.reset_stats();
    fs_err::write(site.path("file"), "x").unwrap();
    let run = |output: &str| site.run(&["bundle", "build", "-q", "--locked", "-o", output]);
    let said = format!("== a file\n{}== below a file\n{}", run("file"), run("file/out"));
    insta::assert_snapshot!(said);
    assert_eq!(site.sent(), 0);
}

#[test]
fn a_closed_pipe_does_not_disturb_a_build() {
    let site = Site::new(MIXED);
    succeeded(site.lock(&[]));
    let build = site.command(&["bundle", "build", "--locked", "-o", "out"]);
    let words: Vec<String> = std::iter::once(build.get_program())
        .chain(build.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let build = words.join(" ");
    for redirection in ["| true", ">&-", ">&- 2>&-", "2>&1 | true"] {
        site.shell(&format!("rm -rf out; {build} {redirection}"));
        site.must_verify("out");
    }
    let full = site.shell(&format!("rm -rf out; {build} -q >/dev/full 2>error || echo $?; cat error"));
    assert!(full.starts_with("11\nerror[E0004]: "), "{full}");
    site.must_verify("out");
}
