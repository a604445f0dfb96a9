//! No text makes the parser of image references panic, and what it accepts survives printing and parsing.
#![no_main]

use airlock::oci::reference::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        let printed = reference.to_string();
        assert_eq!(printed.parse::<Reference>().expect("what we print, we parse"), reference);
    }
});
