//! No text makes the parsers of relations panic, and what they read means the same after it is printed.
#![no_main]

use airlock::debian::relation::{parse, parse_provides};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = parse_provides(text);
    let Ok(groups) = parse(text) else { return };
    let printed = groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    assert_eq!(parse(&printed).expect("what we print, we parse"), groups);
});
