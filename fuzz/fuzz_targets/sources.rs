//! No text makes the reader of apt's lists of sources panic, in either form, and its entries are complete.
#![no_main]

use airlock::debian::sources::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for path in ["sources.list", "debian.sources"] {
        for source in parse(path, text).unwrap_or_default() {
            assert!(!source.uris.is_empty() && !source.suites.is_empty());
            assert!((1..=text.lines().count()).contains(&source.line));
            for suite in &source.suites {
                assert_eq!(suite.ends_with('/'), source.components.is_empty());
            }
        }
    }
});
