//! Content-addressed blobs on disk: the [`cache`] of the machine that builds bundles, and the [`Store`] of a
//! node or mirror, from which everything else is served.
//!
//! A store is an OCI image layout directory with an index of names beside it (`bundle-spec/store.md`):
//!
//! ```text
//! oci-layout                                        marks the layout
//! index.json                                        all tagged images, for other tools; never read by us
//! blobs/<algorithm>/<hex>                           complete blobs; they appear by rename only
//! names/<host or _>/<repository…>/_tags/<tag>       digest of the manifest
//! names/…/_manifests/<algorithm>/<hex>              media type: the repository has this manifest
//! names/…/_blobs/<algorithm>/<hex>                  empty: the repository has this blob
//! names/…/_referrers/<algorithm>-<hex>/<algorithm>-<hex>   descriptor of a referrer, below its subject
//! uploads/<id>/data, state                          unfinished pushes
//! bundles/<hex of manifest digest>/…                manifest, signatures and names of each imported bundle
//! incoming/                                         files being written; what is old there is waste
//! lock                                              shared by who writes names, exclusive to who deletes blobs
//! ```
//!
//! Everything is plain files, and every change becomes visible by one rename, so that a server and commands
//! share a store without a daemon between them. Readers take no lock. A name is written only after what it
//! names is on the disk: blobs, then membership, then tags.

mod access;
pub mod blob;
pub mod cache;
mod catalogue;
pub mod content;
mod copy;
mod delete;
mod directory;
mod document;
mod files;
pub mod garbage;
pub mod import;
pub mod in_place;
mod incoming;
mod index;
mod lookup;
pub mod name;
mod naming;
pub mod partial;
mod put;
pub mod receive;
pub mod record;
pub mod repair;
mod restore;
mod signed;
pub mod upload;
mod verified;
pub mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

pub use self::blob::Blob;
pub use self::content::{Content, Descriptor, Manifest, Page};
use self::directory::Directory;
pub use self::import::Signed;
pub use self::in_place::{BundleContent, Overlay};
pub use self::incoming::Incoming;
pub use self::name::{RepositoryName, TagName};
pub use self::put::Pushed;
pub use self::upload::Upload;
use self::upload::Uploads;
use self::verified::Verified;
use crate::error::{Error, Result, codes};

/// The file that marks an OCI image layout (OCI image-spec, "oci-layout file").
const LAYOUT_FILE: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The store of a node. Clones share what this process knows about it; the files are shared with everybody.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    directory: Directory,
    verified: Arc<Verified>,
    uploads: Uploads,
}

impl Store {
    /// Opens the store in the directory `root`. Takes the same time for every size of store.
    ///
    /// # Errors
    /// [`codes::STORE_MISSING`] if there is none, [`codes::STORE_FORMAT`] if it is of another version.
    pub fn open(root: &Path) -> Result<Store> {
        let marker = root.join("oci-layout");
        match fs::read(&marker) {
            Ok(found) if is_layout(&found) && root.join("names").is_dir() => Ok(Store::at(root)),
            Ok(_) => Err(Error::new(
                codes::STORE_FORMAT,
                format!("`{}` is not a store of airlock", files::shown(root)),
            )
            .with_help("name another directory with `--store DIR`; an empty one becomes a store")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::new(
                codes::STORE_MISSING,
                format!("there is no store in `{}`", files::shown(root)),
            )
            .with_help(
                "import a bundle first, `airlock store import BUNDLE`, or name the store: `--store DIR`",
            )),
            Err(error) => Err(files::failed(&marker, error)),
        }
    }

    /// Opens the store in the directory `root`, and makes it if the directory is missing or empty.
    ///
    /// # Errors
    /// [`codes::STORE_FORMAT`] if something else is there, [`codes::STORE_IO`] if it cannot be made.
    pub fn create(root: &Path) -> Result<Store> {
        if fs::symlink_metadata(root.join("oci-layout")).is_ok() {
            return Store::open(root);
        }
        let directory = Directory::new(root);
        if !directory.may_become_a_store().map_err(|error| files::failed(root, error))? {
            let message = format!("`{}` holds something else than a store", files::shown(root));
            return Err(Error::new(codes::STORE_FORMAT, message)
                .with_help("name another directory with `--store DIR`; an empty one becomes a store"));
        }
        directory.create().map_err(|error| files::failed(root, error))?;
        let marker = root.join("oci-layout");
        directory.write_durably(&marker, LAYOUT_FILE).map_err(|error| files::failed(&marker, error))?;
        Store::open(root)
    }

    fn at(root: &Path) -> Store {
        let directory = Directory::new(root);
        let uploads = Uploads::new(&directory);
        Store(Arc::new(Inner { directory, verified: Arc::default(), uploads }))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        self.0.directory.root()
    }

    fn directory(&self) -> &Directory {
        &self.0.directory
    }

    fn repository(&self, name: &RepositoryName) -> PathBuf {
        self.0.directory.repository(name)
    }
}

fn is_layout(bytes: &[u8]) -> bool {
    let layout: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    layout.is_some_and(|layout| layout["imageLayoutVersion"] == "1.0.0")
}

#[cfg(test)]
mod tests;
