//! The authority of a cluster: a key and a certificate that every node is told to trust.
//!
//! It is made at the first start and never leaves its directory. Clocks of machines behind an air gap are
//! often wrong, at the first start most of all, so its certificate does not expire (RFC 5280, 4.1.2.5).

use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use rustix::fs::{FlockOperation, flock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::disk;
use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

/// Name of the file with the private key, mode 0600.
pub const KEY: &str = "ca.key";
/// Name of the file with the certificate, which nodes get.
pub const CERTIFICATE: &str = "ca.crt";

/// Whoever asks before this has a wrong clock.
const FIRST_YEAR: i32 = 2020;
/// "No well-defined expiration date".
const LAST_YEAR: i32 = 9999;

/// Issues certificates for the server.
pub struct Authority {
    certificate: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Names of hosts.
    pub hosts: Vec<String>,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
}

impl Authority {
    /// Opens the authority in `directory`; makes what is missing. Two processes that do that at once end up
    /// with the same.
    ///
    /// # Errors
    /// [`codes::REGISTRY_AUTHORITY`] if files cannot be read or written, or hold something else.
    pub fn open(directory: &Path) -> Result<Authority> {
        let _turn = turn(directory).map_err(|error| failed(directory, error))?;
        let pem = key(directory).map_err(|error| failed(directory, error))?;
        let key = KeyPair::from_pem(&pem).map_err(|error| unusable(directory).with_source(error))?;
        let parameters = parameters(&key);
        let certificate = directory.join(CERTIFICATE);
        if !certificate.exists() {
            let made =
                parameters.self_signed(&key).map_err(|error| unusable(directory).with_source(error))?;
            place(&certificate, made.pem().as_bytes(), 0o644).map_err(|error| failed(directory, error))?;
        }
        Ok(Authority { certificate, issuer: Issuer::new(parameters, key) })
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Its certificate, as servers show it behind their own: so a node that was told nothing but its fingerprint
    /// can have it from there.
    pub(super) fn der(&self) -> std::io::Result<CertificateDer<'static>> {
        CertificateDer::from_pem_slice(&fs_err::read(&self.certificate)?).map_err(std::io::Error::other)
    }

    /// Issues a certificate for a server with `key`, good until the day `(year, month, day)`.
    pub(super) fn issue(&self, key: &KeyPair, names: &Names, end: (i32, u8, u8)) -> Result<Certificate> {
        let hosts = names.hosts.clone();
        let issue = || {
            let mut parameters = CertificateParams::new(hosts)?;
            parameters.subject_alt_names.extend(names.addresses.iter().copied().map(SanType::IpAddress));
            parameters.distinguished_name = named("airlock registry");
            parameters.not_before = date_time_ymd(FIRST_YEAR, 1, 1);
            parameters.not_after = date_time_ymd(end.0, end.1, end.2);
            parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            parameters.use_authority_key_identifier_extension = true;
            parameters.signed_by(key, &self.issuer)
        };
        issue().map_err(|error: rcgen::Error| {
            Error::new(codes::REGISTRY_AUTHORITY, "a certificate for the registry cannot be issued")
                .with_source(error)
                .with_help("name hosts as in `--name registry.lab`")
        })
    }
}

/// The certificate follows from the key, so that a lost one can be made again. Its name tells one cluster
/// from another.
fn parameters(key: &KeyPair) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let identifier = Digest::of(key.public_key_raw()).hex();
    parameters.distinguished_name = named(&format!("airlock cluster CA {}", &identifier[..16]));
    parameters.not_before = date_time_ymd(FIRST_YEAR, 1, 1);
    parameters.not_after = date_time_ymd(LAST_YEAR, 12, 31);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Makes the directory and waits until nobody else makes files in it. Held until it is dropped.
fn turn(directory: &Path) -> std::io::Result<fs_err::File> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let turn = fs_err::File::open(directory)?;
    flock(turn.file(), FlockOperation::LockExclusive)?;
    Ok(turn)
}

/// The private key in PEM, made if there is none.
fn key(directory: &Path) -> std::io::Result<String> {
    use std::os::unix::fs::MetadataExt as _;
    let path = directory.join(KEY);
    if !path.exists() {
        let made = KeyPair::generate().map_err(std::io::Error::other)?;
        place(&path, made.serialize_pem().as_bytes(), 0o600)?;
    }
    let mode = fs_err::metadata(&path)?.mode();
    if mode & 0o077 != 0 {
        let message = format!("{} can be read by others (mode {:04o})", path.display(), mode & 0o7777);
        return Err(std::io::Error::other(message));
    }
    fs_err::read_to_string(&path)
}

/// Puts a file in its place, complete and synced. The name under which it is written is always the same, so that
/// a killed process leaves one that the next overwrites.
fn place(path: &Path, bytes: &[u8], mode: u32) -> std::io::Result<()> {
    let partial = path.with_added_extension("partial");
    match fs_err::remove_file(&partial) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create_new(true);
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs_err::rename(&partial, path)?;
    fs_err::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn failed(directory: &Path, error: std::io::Error) -> Error {
    let what = format!("the authority in `{}` cannot be made or read", quote(&directory.to_string_lossy()));
    disk::blamed(&what, &directory.join(KEY), error)
        .unwrap_or_else(|error| unusable(directory).with_source(error))
}

fn unusable(directory: &Path) -> Error {
    let shown = quote(&directory.to_string_lossy());
    Error::new(codes::REGISTRY_AUTHORITY, format!("the authority in `{shown}` cannot be used")).with_help(format!(
        "`chmod 600 {shown}/{KEY}`, or move `{KEY}` and `{CERTIFICATE}` away to get a new one, which every node must be told"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls");
        Authority::open(&path).unwrap();
        let read = |name| fs_err::read_to_string(path.join(name)).unwrap();
        let (key, certificate) = (read(KEY), read(CERTIFICATE));
        assert_eq!(fs_err::metadata(path.join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
        Authority::open(&path).unwrap();
        assert_eq!((read(KEY), read(CERTIFICATE)), (key.clone(), certificate));
        fs_err::remove_file(path.join(CERTIFICATE)).unwrap();
        Authority::open(&path).unwrap();
        assert_eq!(read(KEY), key, "a lost certificate is no reason for a new key");
        assert_eq!(fs_err::read_dir(&path).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        Authority::open(directory.path()).unwrap();
        let key = directory.path().join(KEY);
        fs_err::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = Authority::open(directory.path()).err().unwrap();
        assert_eq!(error.code(), codes::REGISTRY_AUTHORITY);
        assert!(error.causes().iter().any(|cause| cause.contains("0644")), "{:?}", error.causes());
    }
}
