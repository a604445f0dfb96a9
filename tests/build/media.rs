//! Media that are full, become full, or are read-only: real file systems, in a mount namespace of their own,
//! so that nothing stays mounted however a test ends.

use std::process::Command;

use super::fetching::{LARGE, large_images};
use super::server::transfer::Pace;
use super::site::{Site, succeeded};

/// Whether this process may mount. If not, that is said aloud, as the test then proves nothing.
fn may_mount() -> bool {
    let probe = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    let may = probe.is_ok_and(|output| output.status.success());
    if !may {
        eprintln!("SKIPPED: mounting a file system needs root");
    }
    may
}

/// Runs a script with `stick` as a tmpfs with these mount options. `$build` is the command that builds into it.
fn with_stick(site: &Site, options: &str, script: &str) -> String {
    let build = site.command(&["bundle", "build", "-q", "--locked", "-o", "stick"]);
    let words: Vec<&str> = build.get_args().map(|word| word.to_str().unwrap()).collect();
    let program = build.get_program().to_str().unwrap();
    let script = format!(
        "mkdir -p stick; mount -t tmpfs -o {options} none stick; build=\"{program} {}\"; {script}",
        words.join(" ")
    );
    let output = site.home.command("unshare").args(["--mount", "bash", "-uc", &script]).output().unwrap();
    site.outcome(&output).to_string()
}

#[test]
fn a_medium_that_is_too_small_or_read_only_is_told_before_anything_is_fetched() {
    if !may_mount() {
        return;
    }
    let site = Site::with_data(LARGE, Pace::default(), large_images);
    succeeded(site.lock(&[]));
    site.upstream.reset_stats();
    let said = format!(
        "== too small\n{}== read-only\n{}",
        with_stick(&site, "size=1m", "$build; code=$?; ls stick; exit $code"),
        with_stick(&site, "ro", "$build")
    );
    insta::assert_snapshot!(said);
    assert_eq!(site.sent(), 0);
}

#[test]
fn a_medium_that_becomes_full_keeps_the_older_bundle() {
    if !may_mount() {
        return;
    }
    let pace = Pace { bytes_per_second: Some(400_000), ..Pace::default() };
    let mut site = Site::with_data("images: [\"{upstream}/lab/d:1\"]\n", pace, large_images);
    succeeded(site.lock(&[]));
    let small = fs_err::read_to_string(site.path("bundle.yaml")).unwrap();
    fs_err::rename(site.path("bundle.lock"), site.path("small.lock")).unwrap();
    fs_err::write(site.path("small.yaml"), small).unwrap();
    site.spec(LARGE);
    succeeded(site.lock(&[]));
    // Somebody else fills the medium while the new bundle is being written.
    let said = with_stick(
        &site,
        "size=4m",
        "$build small.yaml >/dev/null || exit 99
         $build & until test -e stick/lab-1.0.tar.partial; do :; done
         head -c 4m /dev/zero > stick/holiday.mp4 2>/dev/null
         wait $!; code=$?
         cd stick; sha256sum -c lab-1.0.sha256 || exit 98; exit $code",
    );
    let expected = ["exit 7", "lab-1.0.tar: OK", "error[E0602]: the medium is full", "help: free some space"];
    assert!(expected.iter().all(|part| said.contains(part)), "{said}");
}
