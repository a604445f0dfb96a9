//! Writes the repository that a node's apt installs from: names onto blobs, `Packages`, `Release`, signatures.
//!
//! It is flat (`Suites: ./`), which saves directories and a trap: paths in `Packages` are relative to the URI.
//! The same packages, in the same order, with the same key make the same bytes. What is known of apt, and kept
//! here:
//!
//! - Stanzas are copied byte for byte. apt compares a hash of their fields with what is installed, and takes
//!   the same version with other fields for another package, which it installs again.
//! - Their order is the caller's, best that in which apt would have read them upstream: among equal
//!   providers of a virtual package apt takes the last one it read.
//! - `Release` lists the uncompressed `Packages`, or apt finds no packages at all and reports success.
//! - There is no `Valid-Until`: a bundle has to install years later, and on machines with a wrong clock.

mod metadata;

use std::collections::HashMap;

use jiff::Timestamp;

use crate::debian::openpgp::SigningKey;
use crate::debian::package::Package;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;

/// Path of the list of packages.
pub const PACKAGES: &str = "Packages";
/// Path of the same, compressed, which is what apt fetches.
pub const PACKAGES_XZ: &str = "Packages.xz";
/// Path of the signed file that vouches for both.
pub const IN_RELEASE: &str = "InRelease";

/// A package to offer, and the blob that its `.deb` is.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// Its description, of an index.
    pub package: &'a Package<'a>,
    /// Its `.deb`. Must be what the description says; the description may know it by SHA-512 only.
    pub digest: Digest,
}

/// What the repository calls itself. apt refuses a repository whose origin or label changes, so they
/// are to stay the same for as long as nodes may meet it.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// `Origin`, such as `Airlock`.
    pub origin: &'a str,
    /// `Label`.
    pub label: &'a str,
    /// `Suite`.
    pub suite: &'a str,
    /// `Codename`, that of the release the packages are for.
    pub codename: &'a str,
    /// `Date`. apt silently ignores a repository that is older than the last one it saw at that place, and refuses
    /// one from the future unless its source says `Check-Date: no`.
    pub date: Timestamp,
}

/// A file of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryFile {
    /// Its path relative to the URI of the repository: ASCII letters, digits and `/._+~%-` only.
    pub path: String,
    /// Its content.
    pub content: Content,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The blob with this digest and so many bytes.
    Blob(Digest, u64),
}

/// The part of a repository that follows from its packages alone, before anybody signs it.
#[derive(Clone, Debug)]
pub struct Listing {
    archives: Vec<RepositoryFile>,
    architectures: Vec<String>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

/// Makes the repository of these packages: the `.deb`s in their order, then the metadata, `InRelease` last, so
/// that a tree written in this order is usable only when it is complete.
///
/// # Errors
/// Those of [`list`]; [`codes::DEBIAN_SIGN`], which would be a bug.
pub fn write(
    packages: &[Offered<'_>],
    description: &Description<'_>,
    key: &SigningKey,
) -> Result<Vec<RepositoryFile>> {
    let listing = list(packages)?;
    let release = listing.release(description);
    let (detached, inline) = (key.sign_detached(&release)?, key.sign_inline(&release)?);
    let metadata = [
        (PACKAGES, listing.plain),
        (PACKAGES_XZ, listing.packed),
        ("Release", release.into_bytes()),
        ("Release.gpg", detached.into_bytes()),
        (IN_RELEASE, inline.into_bytes()),
    ];
    let metadata = metadata
        .map(|(path, bytes)| RepositoryFile { path: path.to_owned(), content: Content::Bytes(bytes) });
    Ok(listing.archives.into_iter().chain(metadata).collect())
}

/// Lists packages for a repository, in this order. The same package twice is listed once.
///
/// # Errors
/// [`codes::DEBIAN_REPOSITORY`] if a package is not from an index, or two differ under the same name.
pub fn list(packages: &[Offered<'_>]) -> Result<Listing> {
    let mut archives = Vec::new();
    let mut plain = Vec::new();
    let mut known = HashMap::new();
    for offered in packages {
        let archive = offered.package.archive.ok_or_else(|| clash(offered.package, "has no .deb"))?;
        if archive.sha256.is_some_and(|digest| digest != offered.digest) {
            return Err(clash(offered.package, "is described with another digest than its .deb has"));
        }
        let path = pool_path(offered.package);
        match known.insert(path.clone(), offered.digest) {
            Some(digest) if digest == offered.digest => continue,
            Some(_) => return Err(clash(offered.package, "is there twice with different content")),
            None => {}
        }
        metadata::add_stanza(&mut plain, offered.package, &path)?;
        archives.push(RepositoryFile { path, content: Content::Blob(offered.digest, archive.size) });
    }
    let packed = metadata::compress(&plain)?;
    Ok(Listing { archives, architectures: architectures(packages), plain, packed })
}

impl Listing {
    /// The `.deb`s, in the order of the packages.
    pub fn archives(&self) -> &[RepositoryFile] {
        &self.archives
    }

    /// The lists of packages: [`PACKAGES`] and [`PACKAGES_XZ`].
    pub fn indices(&self) -> [(&'static str, &[u8]); 2] {
        [(PACKAGES, &self.plain), (PACKAGES_XZ, &self.packed)]
    }

    /// `InRelease` over the lists. Signing it anew with another key changes no other file.
    ///
    /// # Errors
    /// [`codes::DEBIAN_SIGN`], which would be a bug.
    pub fn sign(&self, description: &Description<'_>, key: &SigningKey) -> Result<String> {
        key.sign_inline(&self.release(description))
    }

    fn release(&self, description: &Description<'_>) -> String {
        metadata::release(&self.architectures, description, &self.indices())
    }
}

/// The name apt itself would give the `.deb` in its cache: with the epoch, which upstream names lack, so that no two
/// versions share a name.
fn pool_path(package: &Package<'_>) -> String {
    let version = package.version.as_str().replace(':', "%3a");
    format!("pool/{}_{version}_{}.deb", package.name, package.architecture)
}

fn architectures(packages: &[Offered<'_>]) -> Vec<String> {
    let mut names: Vec<String> =
        packages.iter().map(|offered| offered.package.architecture.to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn clash(package: &Package<'_>, reason: &str) -> Error {
    let Package { name, version, architecture, .. } = package;
    Error::new(codes::DEBIAN_REPOSITORY, format!("the package {name} {version} ({architecture}) {reason}"))
        .with_help("take each version of a package from one repository only; `pin` decides which")
}

#[cfg(test)]
mod tests;
