//! No bytes make the reader of package lists panic; stanzas lie where they say, and their relations print and parse.
#![no_main]

use airlock::debian::control::stanzas;
use airlock::debian::package::{Relationship, parse_index, parse_status};
use airlock::debian::relation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for stanza in stanzas(bytes).flatten() {
        assert_eq!(&bytes[stanza.offset()..][..stanza.text().len()], stanza.text());
    }
    let _ = parse_status(bytes);
    let Ok(packages) = parse_index(bytes) else { return };
    for package in packages.usable {
        let _ = package.provides();
        for group in package.relations(Relationship::Depends).into_iter().flatten() {
            let printed = group.to_string();
            assert_eq!(relation::parse(&printed).expect("what we print, we parse"), [group]);
        }
    }
});
