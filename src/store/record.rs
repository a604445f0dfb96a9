//! Which bundles a store holds: their signed manifests, as they came, and the names each of them gave.
//!
//! ```text
//! bundles/<hex>/manifest.json      the exact bytes; their SHA-256 is <hex>, the identity of the bundle
//! bundles/<hex>/signature-<n>      all signatures that were found
//! bundles/<hex>/names.json         the catalogue
//! bundles/<hex>/imported           when the import was complete, RFC 3339; missing until then
//! ```
//!
//! From the moment `manifest.json` is there, no blob of the bundle is waste.

use std::io;
use std::path::PathBuf;

use fs_err as fs;

use super::catalogue::Catalogue;
use super::import::Signed;
use super::{Store, files};
use crate::bundle::manifest::{self, Manifest};
use crate::bundle::names;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

const MANIFEST: &str = "manifest.json";
const NAMES: &str = "names.json";
const IMPORTED: &str = "imported";

/// Largest catalogue in bytes: it says about as much as the manifest, in other words.
const MAX_NAMES: u64 = 4 * manifest::MAX_LENGTH;

/// A bundle that a store holds, or begins to hold.
pub struct Record {
    /// The identity of the bundle.
    pub digest: Digest,
    /// Its manifest.
    pub manifest: Manifest,
    /// When its import was complete, RFC 3339; nothing as long as it is not.
    pub imported: Option<String>,
}

impl Record {
    /// `NAME-VERSION`.
    pub fn stem(&self) -> String {
        names::stem(&self.manifest.name, &self.manifest.version)
    }
}

impl Store {
    /// All bundles, the latest import first, unfinished ones before all others.
    pub fn bundles(&self) -> Result<Vec<Record>> {
        let mut records = Vec::new();
        self.each_bundle(&mut |record| {
            records.push(record);
            Ok(())
        })?;
        records.sort_by(|a, b| {
            let order = |record: &Record| (record.imported.is_none(), record.imported.clone());
            order(b).cmp(&order(a)).then(a.digest.cmp(&b.digest))
        });
        Ok(records)
    }

    /// Hands every bundle to `take`, one after the other and in no order.
    pub(super) fn each_bundle(&self, take: &mut dyn FnMut(Record) -> Result<()>) -> Result<()> {
        let root = self.directory().bundles();
        for name in files::names(&root).map_err(|error| files::failed(&root, error))? {
            let Ok(digest) = Digest::from_hex(&name) else { continue };
            self.record(&digest)?.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    }

    /// One bundle, if the store holds it.
    ///
    /// # Errors
    /// [`codes::STORE_FORMAT`] if its record is damaged.
    pub fn record(&self, digest: &Digest) -> Result<Option<Record>> {
        let Some(bytes) = self.record_file(digest, MANIFEST, manifest::MAX_LENGTH)? else { return Ok(None) };
        if Digest::of(&bytes) != *digest {
            let path = self.directory().bundle(digest).join(MANIFEST);
            let message = format!("the record of a bundle, `{}`, is damaged", files::shown(&path));
            return Err(Error::new(codes::STORE_FORMAT, message)
                .with_help("import that bundle again: `airlock store import BUNDLE`"));
        }
        let imported = self.record_file(digest, IMPORTED, 64)?;
        let imported = imported.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(Some(Record { digest: *digest, manifest: Manifest::parse(&bytes)?, imported }))
    }

    /// The bundle that a user means: `NAME-VERSION`, `NAME` if there is one of it, or the beginning of its
    /// digest.
    pub fn find_bundle(&self, wanted: &str) -> Result<Record> {
        let hex = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        let by_digest = |record: &Record| hex.len() >= 6 && record.digest.hex().starts_with(hex);
        let means =
            |record: &Record| record.stem() == wanted || record.manifest.name == wanted || by_digest(record);
        let mut records = self.bundles()?;
        let known: Vec<String> =
            records.iter().map(|record| format!("{} ({})", record.stem(), record.digest)).collect();
        records.retain(means);
        match (records.len(), records.pop()) {
            (1, Some(record)) => Ok(record),
            (count, _) => {
                let how = if count == 0 { "no bundle" } else { "more than one bundle" };
                let error = Error::new(
                    codes::STORE_BUNDLE_UNKNOWN,
                    format!("the store holds {how} `{}`", quote(wanted)),
                )
                .with_help("name one by `NAME-VERSION` or the beginning of its digest; `airlock store list` shows them");
                Err(known.into_iter().fold(error, Error::with_detail))
            }
        }
    }

    /// Begins to hold a bundle: from now on its blobs are spared.
    pub(super) fn begin_record(&self, signed: &Signed<'_>) -> Result<()> {
        let directory = self.directory().bundle(&signed.digest);
        let write = || -> io::Result<()> {
            let mut batch = self.directory().batch();
            for (number, signature) in signed.signatures.iter().enumerate() {
                batch.write(&directory.join(format!("signature-{}", number + 1)), &signature.bytes)?;
            }
            batch.write(&directory.join(MANIFEST), signed.manifest)?;
            batch.sync()
        };
        write().map_err(|error| files::failed(&directory, error))
    }

    pub(super) fn write_catalogue(&self, digest: &Digest, catalogue: &Catalogue) -> Result<()> {
        let path = self.directory().bundle(digest).join(NAMES);
        let write = || self.directory().write_durably(&path, &serde_json::to_vec(catalogue)?);
        write().map_err(|error| files::failed(&path, error))
    }

    /// The names that a bundle gave; none as long as its import has not come so far.
    pub(super) fn catalogue(&self, digest: &Digest) -> Result<Catalogue> {
        let Some(bytes) = self.record_file(digest, NAMES, MAX_NAMES)? else {
            return Ok(Catalogue::default());
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            let path = self.directory().bundle(digest).join(NAMES);
            Error::new(codes::STORE_FORMAT, format!("`{}` is damaged", files::shown(&path)))
                .with_source(error)
                .with_help("import that bundle again: `airlock store import BUNDLE`")
        })
    }

    /// Notes that the import is complete.
    pub(super) fn end_record(&self, digest: &Digest) -> Result<()> {
        let path = self.directory().bundle(digest).join(IMPORTED);
        // As long for every moment, so that the order of the texts is that of time.
        let now = format!("{:.9}", jiff::Timestamp::now());
        self.directory().write_durably(&path, now.as_bytes()).map_err(|error| files::failed(&path, error))
    }

    /// Notes that the names of a bundle are being taken back.
    pub(super) fn reopen_record(&self, digest: &Digest) -> Result<()> {
        self.remove_record_file(self.directory().bundle(digest).join(IMPORTED))
    }

    /// Forgets a bundle. `manifest.json` goes last: until then the command can be run again.
    pub(super) fn remove_record(&self, digest: &Digest) -> Result<()> {
        let directory = self.directory().bundle(digest);
        let mut names = files::names(&directory).map_err(|error| files::failed(&directory, error))?;
        names.sort_by_key(|name| name == MANIFEST);
        for name in names {
            self.remove_record_file(directory.join(name))?;
        }
        match fs::remove_dir(&directory) {
            Err(error) if !files::is_absence(&error) => Err(files::failed(&directory, error)),
            _ => Ok(()),
        }
    }

    fn remove_record_file(&self, path: PathBuf) -> Result<()> {
        files::remove(&path).map(drop).map_err(|error| files::failed(&path, error))
    }

    fn record_file(&self, digest: &Digest, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let path = self.directory().bundle(digest).join(name);
        files::read(&path, limit).map_err(|error| files::failed(&path, error))
    }
}
