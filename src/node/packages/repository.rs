//! The repository of the bundle as a directory of the node, and the private source that names it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{DIRECTORY, Packages};
use crate::bundle::manifest::Blob;
use crate::bundle::manifest::apt::KEYRING;
use crate::debian::apt_get::{self, AptGet};
use crate::error::Result;
use crate::node::change::{Change, Verb};
use crate::node::machine::{self, Machine};
use crate::node::owned::Owned;
use crate::node::resource::{BlobFile, File, Link, Resource};
use crate::node::work::Work;

impl Packages {
    fn directory(&self) -> String {
        format!("{DIRECTORY}/{}/repository", self.apt.name)
    }

    /// Where a file of the repository is on the node.
    pub(super) fn path_of(&self, path: &str) -> String {
        format!("{}/{path}", self.directory())
    }

    /// Every file: its path in the repository and its bytes. `InRelease` comes last.
    fn files(&self) -> impl Iterator<Item = (&str, Blob)> {
        let packages = self.apt.packages.iter().map(|package| (package.path.as_str(), package.blob));
        packages.chain(self.apt.files.iter().map(|file| (file.path.as_str(), file.blob)))
    }

    /// What differs between the repository on the node and that of the bundle.
    pub(super) fn check_repository(&self, machine: &Machine) -> Result<Option<Change>> {
        let mut bytes = 0;
        let mut missing = 0;
        for (path, blob) in self.files() {
            if self.resource(machine, path, blob)?.check(machine)?.is_some() {
                missing += 1;
                bytes += blob.size;
            }
        }
        let detail = format!("{missing} of {} files", self.files().count());
        Ok((missing > 0)
            .then(|| Change::new(Verb::Create, self.directory()).with_detail(detail).with_bytes(bytes)))
    }

    /// Lays the repository out, with the private places of apt.
    pub(super) fn make_repository(&self, work: &mut Work<'_>, apt: &AptGet) -> Result<()> {
        work.own(Owned::Tree { path: DIRECTORY.to_owned() })?;
        let machine = work.machine();
        for (path, blob) in self.files() {
            let resource = self.resource(machine, path, blob)?;
            if resource.check(machine)?.is_some() {
                // What is in its place is ours: this is our tree.
                work.remove_file(&self.path_of(path))?;
                resource.make(work)?;
            }
        }
        self.remove_others(work)?;
        let directory = self.directory();
        let source = apt_get::source_list(Path::new(&directory), &Path::new(&directory).join(KEYRING));
        let list = File::new(apt.source_list().display().to_string(), source);
        if list.check(machine)?.is_some() {
            list.make(work)?;
        }
        forget_lists(machine, apt)?;
        apt.directories()
            .iter()
            .try_for_each(|directory| work.make_directory(&directory.display().to_string(), 0o755))
    }

    /// A file as a link to the blob in the store, if there is an intact one; else as a copy. A copy that is there
    /// already stays one.
    fn resource(&self, machine: &Machine, path: &str, blob: Blob) -> Result<Box<dyn Resource>> {
        let path = self.path_of(path);
        let is_copy = machine.metadata(&path)?.is_some_and(|found| found.is_file());
        if let Some(target) = self.in_store(machine, blob)?.filter(|_| !is_copy) {
            return Ok(Box::new(Link { path, target }));
        }
        Ok(Box::new(BlobFile { path, blob, mode: 0o644, origin: self.origin.clone() }))
    }

    /// The blob in the store, if there is an intact one.
    fn in_store(&self, machine: &Machine, blob: Blob) -> Result<Option<String>> {
        let Some(store) = &self.store else { return Ok(None) };
        let path = format!("{store}/blobs/sha256/{}", blob.digest.hex());
        let has_length =
            machine.metadata(&path)?.is_some_and(|found| found.is_file() && found.len() == blob.size);
        let is_intact = has_length && machine.digest(&path)? == blob.digest;
        Ok(is_intact.then_some(path))
    }

    /// Removes the packages of earlier bundles.
    fn remove_others(&self, work: &mut Work<'_>) -> Result<()> {
        let root = work.machine().path(&self.directory());
        let wanted: BTreeSet<PathBuf> = self.files().map(|(path, _)| root.join(path)).collect();
        let mut found = Vec::new();
        let failed = |error| machine::failed("read", &self.directory(), error);
        collect(&root, &mut found).map_err(failed)?;
        for path in found.iter().filter(|path| !wanted.contains(*path)) {
            fs_err::remove_file(path).map_err(|error| machine::failed("remove", &self.directory(), error))?;
        }
        Ok(())
    }
}

/// Files and links below a directory.
fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs_err::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => collect(&entry.path(), found)?,
            false => found.push(entry.path()),
        }
    }
    Ok(())
}

/// Apt keeps the lists that it has if those of the repository are older, as after a step back to an older bundle.
fn forget_lists(machine: &Machine, apt: &AptGet) -> Result<()> {
    let lists = apt.directory.join("lists").display().to_string();
    match fs_err::remove_dir_all(machine.path(&lists)) {
        Err(error) if !machine::is_missing(&error) => Err(machine::failed("remove", &lists, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::bundle::manifest::apt::example;
    use crate::bundle::manifest::{Artifact, Manifest};
    use crate::node::journal::Journal;
    use crate::node::machine::SystemPrograms;
    use crate::node::origin::Origin;
    use crate::oci::digest::Digest;
    use crate::progress::Silent;

    /// Bundles of the examples, whose blobs are named by what they hold.
    struct Example(Manifest);

    impl Origin for Example {
        fn manifest(&self) -> &Manifest {
            &self.0
        }

        fn digest(&self) -> Digest {
            Digest::of(b"example")
        }

        fn open(&self, digest: Digest) -> Result<Box<dyn Read + '_>> {
            let contents = ["pool/curl_8_amd64.deb", "pool/tzdata_1_all.deb"].map(str::to_owned);
            let metadata = crate::bundle::manifest::apt::METADATA.map(|path| format!("{path} of node"));
            let mut contents = contents.into_iter().chain(metadata);
            let content = contents.find(|content| Digest::of(content.as_bytes()) == digest).unwrap();
            Ok(Box::new(Cursor::new(content.into_bytes())))
        }

        fn name(&self) -> String {
            "example".to_owned()
        }
    }

    fn packages(store: Option<&str>) -> Packages {
        let list = vec![example::package("curl", "8", "amd64"), example::package("tzdata", "1", "all")];
        let apt = example::repository("node", list);
        let origin = Arc::new(Example(example::manifest(vec![Artifact::Apt(apt.clone())])));
        Packages { apt, origin, store: store.map(str::to_owned) }
    }

    fn make(packages: &Packages, machine: &Machine) {
        let mut journal = Journal::open(machine).unwrap();
        let mut work = Work::new(machine, &mut journal, &Silent, Duration::from_secs(10));
        packages.make_repository(&mut work, &packages.apt_get()).unwrap();
        assert_eq!(packages.check_repository(machine).unwrap(), None);
        let trees =
            [Owned::Directory { path: "/var".to_owned() }, Owned::Tree { path: DIRECTORY.to_owned() }];
        let is_expected = |owned: &Owned| {
            trees.contains(owned) || owned.path().is_some_and(|path| DIRECTORY.starts_with(path))
        };
        assert!(journal.owned().iter().all(is_expected), "{:?}", journal.owned());
    }

    #[test]
    fn blobs_of_the_store_are_linked_if_they_are_intact_and_others_copied() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let blob = |content: &str| {
            let path = format!("/store/blobs/sha256/{}", Digest::of(content.as_bytes()).hex());
            fs_err::create_dir_all(root.path().join("store/blobs/sha256")).unwrap();
            machine.path(&path)
        };
        fs_err::write(blob("pool/curl_8_amd64.deb"), "pool/curl_8_amd64.deb").unwrap();
        fs_err::write(blob("pool/tzdata_1_all.deb"), "pool/tzdata_1_all.DEB").unwrap();
        let packages = packages(Some("/store"));
        make(&packages, &machine);
        let is_link = |path: &str| machine.metadata(&packages.path_of(path)).unwrap().unwrap().is_symlink();
        assert!(is_link("pool/curl_8_amd64.deb") && !is_link("pool/tzdata_1_all.deb"));
        // The store loses a blob: what was linked becomes a copy.
        fs_err::remove_file(blob("pool/curl_8_amd64.deb")).unwrap();
        assert!(packages.check_repository(&machine).unwrap().is_some());
        make(&packages, &machine);
        assert!(!is_link("pool/curl_8_amd64.deb"));
    }

    #[test]
    fn a_damaged_file_is_replaced_and_what_is_too_much_removed() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path(), Arc::new(SystemPrograms));
        let packages = packages(None);
        make(&packages, &machine);
        let file = machine.path(&packages.path_of("pool/curl_8_amd64.deb"));
        fs_err::write(&file, "POOL/curl_8_amd64.deb").unwrap();
        fs_err::write(file.with_file_name("old_1_all.deb"), "").unwrap();
        let change = packages.check_repository(&machine).unwrap().unwrap();
        assert_eq!(change.to_string(), "create /var/lib/airlock/apt/node/repository (1 of 6 files)");
        make(&packages, &machine);
        assert_eq!(fs_err::read(&file).unwrap(), b"pool/curl_8_amd64.deb");
        assert_eq!(fs_err::read_dir(file.parent().unwrap()).unwrap().count(), 2);
    }
}
