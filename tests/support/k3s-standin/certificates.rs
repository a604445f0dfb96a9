//! The authorities of a cluster and the certificates they issue, in the files where k3s has them.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err as fs;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::paths::{Paths, write};
use super::{Result, Variables};

/// Ten years and one, as k3s has it.
const AUTHORITY_DAYS: u64 = 3650;
const LEAF_DAYS: u64 = 365;
/// Seconds.
pub const DAY: u64 = 24 * 60 * 60;
/// Issued certificates are made anew by a start within so many days before their end.
pub const RENEWED_BEFORE: u64 = 120;
/// How the users of kubelets are called, before the name of their node.
pub const NODE: &str = "system:node:";

/// The clock that certificates are made by. Nodes of the lab share one clock; a test that needs a server whose clock
/// is ahead, or one whose certificates have expired since, sets `K3S_STANDIN_CLOCK_AHEAD`, in seconds, below zero for the
/// past, in the environment of its unit.
#[derive(Clone, Copy)]
pub struct Clock {
    now: Duration,
}

impl Clock {
    /// The clock of the host, shifted where a test asks for it.
    pub fn new(variables: &Variables) -> Result<Clock> {
        let ahead: i64 = variables.get("K3S_STANDIN_CLOCK_AHEAD").map_or(Ok(0), |seconds| seconds.parse())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs().saturating_add_signed(ahead);
        Ok(Clock { now: Duration::from_secs(now) })
    }

    /// Since 1970.
    pub fn seconds(self) -> u64 {
        self.now.as_secs()
    }
}

/// Makes what is missing; the certificate of the server is made anew each time, for its names may have changed.
pub fn prepare(paths: &Paths, clock: Clock, names: &[String]) -> Result<()> {
    let directory = paths.server("tls");
    let server = authority(&directory, "server-ca", clock)?;
    let client = authority(&directory, "client-ca", clock)?;
    authority(&directory, "request-header-ca", clock)?;
    let mut serving = CertificateParams::new(names)?;
    serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(&directory, "serving-kube-apiserver", "kube-apiserver", serving, &server, clock)?;
    if is_due(&directory.join("client-admin.crt"), clock) {
        let mut admin = CertificateParams::new([])?;
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        issue(&directory, "client-admin", "system:admin", admin, &client, clock)?;
    }
    Ok(())
}

/// Whether a certificate is missing or ends soon.
fn is_due(file: &Path, clock: Clock) -> bool {
    let Ok(text) = fs::read(file) else { return true };
    let end = CertificateDer::from_pem_slice(&text).ok().and_then(|certificate| expiry(&certificate));
    let left = end.and_then(|end| u64::try_from(end.as_second()).ok()).unwrap_or_default();
    left < clock.seconds() + RENEWED_BEFORE * DAY
}

/// Keeps a copy of the directory of a server beside it; gives where. An agent has none.
pub fn set_aside(paths: &Paths) -> Result<Option<PathBuf>> {
    let (from, now) = (paths.server("tls"), Timestamp::now().as_second());
    if !from.exists() {
        return Ok(None);
    }
    let to = paths.server(&format!("tls-{now}"));
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(&from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(Some(to))
}

fn authority(directory: &Path, name: &str, clock: Clock) -> Result<Issuer<'static, KeyPair>> {
    let key_file = directory.join(format!("{name}.key"));
    let key = if key_file.exists() {
        KeyPair::from_pem(&fs::read_to_string(&key_file)?)?
    } else {
        let key = KeyPair::generate()?;
        write(&key_file, key.serialize_pem().as_bytes(), 0o600)?;
        key
    };
    let mut parameters = CertificateParams::new([])?;
    parameters.distinguished_name.push(DnType::CommonName, format!("k3s-{name}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    set_validity(&mut parameters, clock, AUTHORITY_DAYS);
    let certificate = directory.join(format!("{name}.crt"));
    if !certificate.exists() {
        write(&certificate, parameters.self_signed(&key)?.pem().as_bytes(), 0o644)?;
    }
    Ok(Issuer::new(parameters, key))
}

fn issue(
    directory: &Path,
    file: &str,
    name: &str,
    parameters: CertificateParams,
    issuer: &Issuer<'static, KeyPair>,
    clock: Clock,
) -> Result<()> {
    let (certificate, key) = signed(name, parameters, issuer, clock)?;
    write(&directory.join(format!("{file}.key")), key.as_bytes(), 0o600)?;
    write(&directory.join(format!("{file}.crt")), certificate.as_bytes(), 0o644)
}

/// The certificate of the kubelet of a node, and its key. The real agent makes the key itself.
pub fn of_kubelet(paths: &Paths, node: &str, clock: Clock) -> Result<(String, String)> {
    let issuer = authority(&paths.server("tls"), "client-ca", clock)?;
    let mut parameters = CertificateParams::new([])?;
    parameters.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(&format!("{NODE}{node}"), parameters, &issuer, clock)
}

/// Whom a certificate of ours is for. Names lie in it as they are, each behind its length (X.690, 8.1.3).
pub fn user(certificate: &[u8]) -> Option<String> {
    let position = |text: &str| certificate.windows(text.len()).position(|window| window == text.as_bytes());
    if let Some(start) = position(NODE) {
        let length = usize::from(*certificate.get(start.checked_sub(1)?)?);
        return String::from_utf8(certificate.get(start..start + length)?.to_vec()).ok();
    }
    position("system:masters").map(|_| "system:admin".to_owned())
}

/// When a certificate of ours ends: the second of the two times that lie behind each other in it (RFC 5280, 4.1.2.5),
/// each as `UTCTime`.
pub fn expiry(certificate: &[u8]) -> Option<Timestamp> {
    const TIME: [u8; 2] = [0x17, 13];
    let is_validity = |window: &&[u8]| window[..2] == TIME && window[15..17] == TIME;
    let validity = certificate.windows(30).find(is_validity)?;
    let text = format!("20{}+0000", std::str::from_utf8(&validity[17..29]).ok()?);
    Timestamp::strptime("%Y%m%d%H%M%S%z", text).ok()
}

/// The common names of issuer and subject of a certificate of ours.
pub fn names(certificate: &[u8]) -> [String; 2] {
    // The object identifier 2.5.4.3, then a string of some kind behind its length.
    const COMMON_NAME: [u8; 5] = [6, 3, 0x55, 4, 3];
    let starts = certificate.windows(5).enumerate().filter(|(_, window)| *window == COMMON_NAME);
    let mut names = starts.filter_map(|(start, _)| {
        let length = usize::from(*certificate.get(start + 6)?);
        Some(String::from_utf8_lossy(certificate.get(start + 7..start + 7 + length)?).into_owned())
    });
    [names.next().unwrap_or_default(), names.next().unwrap_or_default()]
}

/// A certificate and its key.
fn signed(
    name: &str,
    mut parameters: CertificateParams,
    issuer: &Issuer<'static, KeyPair>,
    clock: Clock,
) -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.use_authority_key_identifier_extension = true;
    set_validity(&mut parameters, clock, LEAF_DAYS);
    let certificate = parameters.signed_by(&key, issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn set_validity(parameters: &mut CertificateParams, clock: Clock, days: u64) {
    parameters.not_before = date_time_ymd(1970, 1, 1) + clock.now;
    parameters.not_after = parameters.not_before + Duration::from_secs(days * DAY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_whom_it_is_for() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path().to_str().unwrap());
        let clock = Clock::new(&Variables::new()).unwrap();
        prepare(&paths, clock, &["localhost".to_owned()]).unwrap();
        let user = |pem: &str| user(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
        let (kubelet, _) = of_kubelet(&paths, "agent1", clock).unwrap();
        assert_eq!(user(&kubelet).as_deref(), Some("system:node:agent1"));
        let file = |name: &str| fs::read_to_string(paths.server("tls").join(name)).unwrap();
        assert_eq!(user(&file("client-admin.crt")).as_deref(), Some("system:admin"));
        assert_eq!(user(&file("serving-kube-apiserver.crt")), None);
        let admin = CertificateDer::from_pem_slice(file("client-admin.crt").as_bytes()).unwrap();
        assert_eq!(names(&admin), ["k3s-client-ca", "system:admin"]);
        let left = expiry(&admin).unwrap().as_second() - i64::try_from(clock.seconds()).unwrap();
        assert!((left - 365 * 24 * 60 * 60).abs() < 60, "{left}");
        assert!(!is_due(&paths.server("tls/client-admin.crt"), clock));
        let later = Clock { now: clock.now + Duration::from_secs(250 * DAY) };
        assert!(is_due(&paths.server("tls/client-admin.crt"), later));
    }
}
