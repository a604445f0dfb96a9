//! No bytes make the parser of `bundle.yaml` panic, and every refusal is one a user can act on.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = airlock::spec::parse(bytes, "bundle.yaml", Path::new("")) {
        assert_eq!(error.kind().exit_status(), 3);
        assert!(error.help().is_some());
        assert!(!error.message().contains(|c: char| c.is_control()));
        if let Some(snippet) = error.location().and_then(|location| location.snippet.as_ref()) {
            assert!(snippet.text.get(snippet.span.clone()).is_some());
        }
    }
});
