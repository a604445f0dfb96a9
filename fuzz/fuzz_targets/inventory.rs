//! No bytes make the parsers of inventories panic, and every refusal is one a user can act on; what is accepted can be
//! written as a `cluster.yaml` that means the same.
#![no_main]

use std::path::Path;

use airlock::error::{Error, codes};
use airlock::spec::cluster::{self, SecretFiles, render};
use airlock::spec::ansible;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let directory = Path::new("/site");
    let mut none = |_: &Path| Err(Error::new(codes::FILE_READ, "there is no file").with_help("make one"));
    let read = match ansible::is_ini(bytes) {
        true => ansible::parse(bytes, "hosts.ini", directory),
        false => cluster::parse(bytes, "cluster.yaml", directory, &mut none),
    };
    match read {
        Err(error) => {
            assert_eq!(error.kind().exit_status(), 3);
            assert!(error.help().is_some());
            assert!(!error.message().contains(|c: char| c.is_control()));
            if let Some(snippet) = error.location().and_then(|location| location.snippet.as_ref()) {
                assert!(snippet.text.get(snippet.span.clone()).is_some());
            }
        }
        Ok(read) => {
            let secrets = SecretFiles::plan(&read.inventory, "cluster");
            let text = render(&read.inventory, &secrets, directory);
            let mut known = |path: &Path| {
                let found = secrets.all().find(|(name, _)| path == directory.join(name));
                found.map(|(_, secret)| secret.clone()).ok_or_else(|| Error::new(codes::INTERNAL, "another file"))
            };
            let again = cluster::parse(text.as_bytes(), "cluster.yaml", directory, &mut known);
            let again = again.unwrap_or_else(|error| panic!("{error}\n{text}")).inventory;
            assert_eq!(again.cluster, read.inventory.cluster);
            assert_eq!(again.hosts.len(), read.inventory.hosts.len());
        }
    }
});
