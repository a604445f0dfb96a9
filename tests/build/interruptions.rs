//! Builds that are killed or asked to stop in the middle, and the next build, which makes up for it.

use std::process::{Child, Command};

use super::fetching::{LARGE, large_images};
use super::server::transfer::Pace;
use super::site::{Site, succeeded, until};

/// Bytes per second of each answer: a layer takes about a fifth of a second.
const RATE: u64 = 2_000_000;

/// What the three connections of a killed build may have in flight: a few chunks each.
const IN_FLIGHT: u64 = 3 * 3 * 65_536;

fn slow_site() -> Site {
    let site = Site::with_data(LARGE, Pace { bytes_per_second: Some(RATE), ..Pace::default() }, large_images);
    succeeded(site.lock(&[]));
    site.upstream.reset_stats();
    site
}

fn start(site: &Site, output: &str, cache: &str) -> Child {
    site.command(&["bundle", "build", "--locked", "-q", "-o", output, "--cache-dir", cache]).spawn().unwrap()
}

/// Waits until the upstream has sent so much, or the build has ended.
fn await_sent(site: &Site, child: &mut Child, bytes: u64) {
    until(|| site.sent() >= bytes || child.try_wait().unwrap().is_some());
}

#[test]
fn after_kill_9_at_any_instant_the_next_build_makes_the_same_bundle() {
    let site = slow_site();
    succeeded(site.outcome(&start(&site, "whole", "cache-whole").wait_with_output().unwrap()));
    let (expected, whole) = (site.digests("whole"), site.sent());
    for round in 0..8u64 {
        let (output, cache) = (format!("out-{round}"), format!("cache-{round}"));
        site.upstream.reset_stats();
        let mut child = start(&site, &output, &cache);
        // The last rounds hit the time after the last byte has been sent.
        await_sent(&site, &mut child, whole * round / 6);
        child.kill().unwrap();
        child.wait().unwrap();
        let leftovers = site.path(&output);
        if leftovers.exists() {
            let names = site.names(&output);
            assert!(
                names.iter().all(|name| name.ends_with(".partial")) || site.digests(&output) == expected,
                "{names:?}"
            );
        }
        succeeded(site.outcome(&start(&site, &output, &cache).wait_with_output().unwrap()));
        assert_eq!(site.digests(&output), expected, "round {round}");
        assert!(site.names(&format!("{cache}/partial")).is_empty(), "round {round}");
        let twice = site.sent().saturating_sub(whole);
        assert!(twice <= IN_FLIGHT, "round {round}: {twice} bytes came twice");
    }
}

#[test]
fn a_signal_ends_a_build_in_order_and_the_same_command_continues() {
    let site = slow_site();
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let mut child = start(&site, signal, &format!("cache-{signal}"));
        await_sent(&site, &mut child, 200_000);
        let killed = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let outcome = site.outcome(&child.wait_with_output().unwrap());
        assert_eq!(outcome.exit, Some(status), "{outcome}");
        insta::assert_snapshot!(format!("interrupted_by_{signal}"), outcome);
        let names = site.names(signal);
        assert!(names.iter().all(|name| name.ends_with(".partial")), "{names:?}");
        succeeded(
            site.outcome(&start(&site, signal, &format!("cache-{signal}")).wait_with_output().unwrap()),
        );
        site.must_verify(signal);
        assert!(!site.names(signal).iter().any(|name| name.ends_with(".partial")));
        site.upstream.reset_stats();
    }
}
