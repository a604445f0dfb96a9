//! No text makes the parser of versions panic, and their order is one: antisymmetric and transitive.
#![no_main]

use airlock::debian::version::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let versions: Vec<Version<'_>> = text.split('\n').take(3).flat_map(Version::parse).collect();
    for version in &versions {
        assert!(version.cmp(version).is_eq());
    }
    if let [a, b, c] = versions[..] {
        assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        assert!(!(a <= b && b <= c) || a <= c);
    }
});
