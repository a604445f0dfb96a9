//! Finds the volumes and signatures of one bundle from what the user named: a volume, a directory, or
//! several volumes. File names only help to find; what a file is, its header says.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::source::{FileSource, Source, unreadable};
use super::volume::VolumeHeader;
use super::{envelope, names};
use crate::error::{Error, Result, codes};
use crate::trust::policy::SignatureFile;
use crate::trust::signature;

/// More signature files than anybody has signers; others are not read.
const MAX_SIGNATURES: usize = 64;

/// The files of one bundle, not looked into beyond their headers.
pub(super) struct Found {
    pub(super) volumes: Vec<Box<dyn Source>>,
    pub(super) signatures: Vec<SignatureFile>,
}

/// Finds the bundle that `path` means: the one in this directory, or the one of this volume.
pub(super) fn at(path: &Path) -> Result<Found> {
    let metadata = fs_err::metadata(path).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::NotFound => {
            Error::new(codes::BUNDLE_PATH, format!("{} does not exist", names::shown(path)))
                .with_help("name a volume of the bundle, or the directory it is in")
        }
        _ => unreadable(&names::shown(path), cause),
    })?;
    if metadata.is_dir() { of_paths(&only_bundle_in(path)?) } else { of_paths(&with_siblings(path)?) }
}

/// Opens exactly these volumes and the signature files beside them; a directory stands for the volumes in it.
pub(super) fn of_paths(paths: &[PathBuf]) -> Result<Found> {
    let expand = |path: &PathBuf| match path.is_dir() {
        true => only_bundle_in(path),
        false => Ok(vec![path.clone()]),
    };
    let files = paths.iter().map(expand).collect::<Result<Vec<_>>>()?.concat();
    let open = |path: &PathBuf| FileSource::open(path).map(|source| Box::new(source) as Box<dyn Source>);
    let volumes = files.iter().map(open).collect::<Result<Vec<_>>>()?;
    Ok(Found { volumes, signatures: signatures_beside(&files)? })
}

/// The volume itself, and, if its bundle has several, the files of the same bundle or the same name.
fn with_siblings(path: &Path) -> Result<Vec<PathBuf>> {
    let header = envelope::volume_header(&FileSource::open(path)?)?;
    if header.volumes == 1 {
        return Ok(vec![path.to_owned()]);
    }
    let stem = file_name(path).and_then(|name| names::stem_of(&name).map(str::to_owned));
    let belongs = |file: &PathBuf| {
        let name = file_name(file).unwrap_or_default();
        let same_name = names::is_cut_volume(&name) && names::stem_of(&name) == stem.as_deref();
        same_name || header_of(file).is_some_and(|other| other.bundle == header.bundle)
    };
    let mut files = tar_files(directory_of(path))?;
    files.retain(|file| file.file_name() != path.file_name() && belongs(file));
    files.insert(0, path.to_owned());
    Ok(files)
}

/// The volumes in a directory, if they are all of one bundle.
fn only_bundle_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = tar_files(directory)?;
    if files.len() > 1 {
        // Other archives may lie there too; damaged volumes are kept by their names.
        files.retain(|file| {
            header_of(file).is_some() || file_name(file).is_some_and(|name| names::is_cut_volume(&name))
        });
    }
    let stems: BTreeSet<_> = files
        .iter()
        .filter_map(|file| file_name(file))
        .filter_map(|name| names::stem_of(&name).map(names::escaped))
        .collect();
    let directory = names::shown(directory);
    match stems.len() {
        0 => Err(Error::new(codes::BUNDLE_PATH, format!("there is no bundle in {directory}"))
            .with_help("name a volume (NAME-VERSION.tar), or the directory it is in")),
        1 => Ok(files),
        count => {
            let error = Error::new(codes::BUNDLE_PATH, format!("{directory} holds {count} bundles"));
            let error = error.with_help("name a volume of the one you mean");
            Err(stems.iter().fold(error, |error, stem| error.with_detail(format!("there is {stem}"))))
        }
    }
}

fn header_of(path: &Path) -> Option<VolumeHeader> {
    envelope::volume_header(&FileSource::open(path).ok()?).ok()
}

/// The files named `*.tar`, in the order of their names.
fn tar_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = entries(directory)?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "tar") && file.is_file());
    Ok(files)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| unreadable(&names::shown(directory), cause);
    let entries = fs_err::read_dir(directory).map_err(failed)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// The additional signatures in the directories of these volumes.
fn signatures_beside(volumes: &[PathBuf]) -> Result<Vec<SignatureFile>> {
    let place = |volume: &PathBuf| {
        let stem = names::stem_of(&file_name(volume)?)?.to_owned();
        Some((directory_of(volume).to_owned(), stem))
    };
    let places: BTreeSet<(PathBuf, String)> = volumes.iter().filter_map(place).collect();
    let mut files = Vec::new();
    for (directory, stem) in places {
        let is_signature = |file: &PathBuf| {
            file_name(file).is_some_and(|name| names::is_signature_of(&name, &stem)) && file.is_file()
        };
        files.extend(entries(&directory)?.into_iter().filter(is_signature));
    }
    files.iter().take(MAX_SIGNATURES).map(|file| read_signature(file)).collect()
}

fn read_signature(path: &Path) -> Result<SignatureFile> {
    let name = file_name(path).map_or_else(String::new, |name| names::escaped(&name));
    let failed = |cause| unreadable(&name, cause);
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a longer file is refused and not cut to a valid one.
    let file = fs_err::File::open(path).map_err(failed)?;
    file.take(signature::MAX_LENGTH + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(SignatureFile { name, bytes })
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
