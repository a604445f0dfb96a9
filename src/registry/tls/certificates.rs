//! The certificate the server shows: issued when it is first needed, and again when it nears its end or a
//! connection arrives at an address that it does not name yet.
//!
//! Its key lives in memory only. So nothing can be stolen or go stale on the disk, and a machine whose clock
//! was wrong at the start has a good certificate as soon as the clock is right.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::KeyPair;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::authority::{Authority, Names};
use crate::error::{Error, Result, codes};

/// How long a certificate is good, in days; some clients refuse more than 398.
const LIFETIME: i64 = 397;
/// It is replaced when fewer days are left.
const RENEWAL: i64 = 130;

/// Addresses a machine has. More are not added by connections.
const MOST_ADDRESSES: usize = 64;

/// Issues certificates of an [`Authority`] as they are needed.
pub struct Certificates {
    authority: Authority,
    key: KeyPair,
    state: Mutex<State>,
}

struct State {
    names: Names,
    current: Option<(Arc<CertifiedKey>, Date)>,
}

impl Certificates {
    /// Certificates for `hosts` and `addresses`, and for every address of ours at which somebody connects.
    ///
    /// # Errors
    /// [`codes::REGISTRY_AUTHORITY`] if none can be issued, for example because a host is malformed.
    pub fn new(authority: Authority, hosts: Vec<String>, addresses: Vec<IpAddr>) -> Result<Self> {
        let key = KeyPair::generate().map_err(|error| broken().with_source(error))?;
        let state = State { names: Names { hosts, addresses }, current: None };
        let certificates = Certificates { authority, key, state: Mutex::new(state) };
        certificates.certificate(today())?;
        Ok(certificates)
    }

    /// Where the certificate of the authority lies.
    pub fn authority(&self) -> &std::path::Path {
        self.authority.certificate()
    }

    /// A connection arrived at this address of ours: from now on the certificate names it.
    pub fn serve(&self, address: IpAddr) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = &mut state.names.addresses;
        if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
            state.current = None;
        }
    }

    fn certificate(&self, today: Date) -> Result<Arc<CertifiedKey>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((current, renewal)) = &state.current
            && today < *renewal
        {
            return Ok(current.clone());
        }
        let end = today.saturating_add(LIFETIME.days());
        let day = (end.year().into(), end.month() as u8, end.day() as u8);
        let issued = self.authority.issue(&self.key, &state.names, day)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let authority = self.authority.der().map_err(|error| broken().with_source(error))?;
        let chain = vec![issued.der().clone(), authority];
        let certified = CertifiedKey::from_der(chain, private, &default_provider());
        let certified = Arc::new(certified.map_err(|error| broken().with_source(error))?);
        state.current = Some((certified.clone(), end.saturating_sub(RENEWAL.days())));
        Ok(certified)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certificate(today()).ok()
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Certificates").field("authority", &self.authority()).finish_non_exhaustive()
    }
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

fn broken() -> Error {
    Error::new(codes::REGISTRY_AUTHORITY, "the certificate of the registry cannot be made")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_kept_until_something_changes() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path()).unwrap();
        let certificates =
            Certificates::new(authority, vec!["reg.lab".into()], vec![[127, 0, 0, 1].into()]).unwrap();
        let on = |date: Date| certificates.certificate(date).unwrap();
        let day = jiff::civil::date(2030, 1, 1);
        certificates.state.lock().unwrap().current = None;
        let first = on(day);
        assert!(Arc::ptr_eq(&first, &on(day + 200.days())));
        let second = on(day + 300.days());
        assert!(!Arc::ptr_eq(&first, &second), "it is renewed before it ends");
        certificates.serve([127, 0, 0, 1].into());
        assert!(Arc::ptr_eq(&second, &on(day + 300.days())));
        certificates.serve([192, 0, 2, 7].into());
        let third = on(day + 300.days());
        assert!(!Arc::ptr_eq(&second, &third));
        let holds = |certificate: &CertifiedKey, bytes: &[u8]| {
            certificate.cert[0].windows(bytes.len()).any(|window| window == bytes)
        };
        assert!(holds(&third, &[192, 0, 2, 7]) && !holds(&second, &[192, 0, 2, 7]));
        assert!(holds(&third, b"reg.lab"));
    }
}
