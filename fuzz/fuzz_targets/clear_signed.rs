//! No bytes make the splitter of `InRelease` or the reader of keyrings panic, and nothing unsigned is accepted.
#![no_main]

use airlock::debian::openpgp::{Keyring, SigningKey, split, verify_clear_signed};
use airlock::secret::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Keyring::parse(bytes, "keyring");
    if split(bytes, "InRelease").is_err() {
        return;
    }
    // Nobody has signed with this key, so nothing may be accepted.
    let key = SigningKey::from_seed(&Secret::new([1; 32]), "fuzz").expect("a key from any seed");
    let keyring = Keyring::parse(&key.keyring().expect("a keyring of it"), "keyring").expect("it is good");
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    assert!(verify_clear_signed(bytes, "InRelease", &keyring, now).is_err());
});
