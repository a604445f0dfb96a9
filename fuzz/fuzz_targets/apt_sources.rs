//! No text makes the reader of apt's lists of sources panic, and what it finds has a place and a suite.
#![no_main]

use airlock::debian::sources::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for name in ["x.list", "x.sources"] {
        for source in parse(name, text).unwrap_or_default() {
            assert!(!source.uris.is_empty() && !source.suites.is_empty());
            assert!((1..=text.lines().count()).contains(&source.line));
        }
    }
});
