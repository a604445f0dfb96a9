//! What is sent to a node is read before anybody is believed: no bytes make that panic or take much memory, and what was
//! read is what was sent.
#![no_main]

use airlock::node::receive::stream;
use airlock::store::Signed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    if let Ok(signed) = stream::read_beginning(&mut rest) {
        let again = stream::beginning(&Signed::from(&signed));
        assert_eq!(stream::read_beginning(&mut again.as_slice()).expect("it is ours").bytes, signed.bytes);
    }
});
