//! Requests to the registry: no method, path, query or header may panic, and no name may lead elsewhere.
#![no_main]

use airlock::registry::range::{Chunk, Wanted};
use airlock::registry::route::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &str, Option<&str>, &str, u64)| {
    let (method, path, query, header, length) = input;
    let methods = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "BREW"];
    let method = methods[usize::from(method) % methods.len()].parse().expect("it is a method");
    if let Ok(request) = Request::parse(&method, path, query)
        && let Some(repository) = request.repository()
    {
        let plain = |element: &str| element.starts_with(|first: char| first.is_ascii_alphanumeric());
        assert!(repository.path.split('/').all(plain), "{repository:?}");
    }
    if let Wanted::Part { first, last } = Wanted::parse(Some(header), length) {
        assert!(first <= last && last < length);
    }
    if let Ok(chunk) = Chunk::parse(header) {
        assert!(chunk.length > 0);
    }
});
