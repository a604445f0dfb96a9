//! Several certificates in one file: PEM, one after the other (RFC 7468).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Error, Result, codes};

/// The certificates in a text, in their order.
///
/// # Errors
/// [`codes::REGISTRY_AUTHORITY`] if one of them is damaged.
pub fn parse(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<_, _>>().map_err(|error| {
        Error::new(codes::REGISTRY_AUTHORITY, "a certificate of a registry's authority is damaged")
            .with_help("name those of all registries: `--ca FILE`, or `--ca-fingerprint SHA256:…` for each")
            .with_source(error)
    })
}

/// All certificates of several texts, each once, in the order in which they come first.
///
/// # Errors
/// As for [`parse`].
pub fn union(texts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut all: Vec<CertificateDer<'static>> = Vec::new();
    for text in texts {
        for certificate in parse(text)? {
            if !all.contains(&certificate) {
                all.push(certificate);
            }
        }
    }
    Ok(all.iter().flat_map(|certificate| pem(certificate)).collect())
}

/// A certificate in PEM (RFC 7468, 5.1).
pub fn pem(certificate: &CertificateDer<'_>) -> Vec<u8> {
    let encoded = STANDARD.encode(certificate);
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for start in (0..encoded.len()).step_by(64) {
        text += &encoded[start..encoded.len().min(start + 64)];
        text.push('\n');
    }
    text += "-----END CERTIFICATE-----\n";
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> Vec<u8> {
        rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap().cert.pem().into_bytes()
    }

    #[test]
    fn every_certificate_is_there_once_and_the_first_stays_the_first() {
        let (own, other) = (made("a.lab"), made("b.lab"));
        let both = union(&[&own, &other]).unwrap();
        assert_eq!(parse(&both).unwrap(), [parse(&own).unwrap(), parse(&other).unwrap()].concat());
        assert_eq!(union(&[&own, &both]).unwrap(), both, "what was written is what is wanted");
        assert_eq!(union(&[b"a comment\n", &other]).unwrap(), union(&[&other]).unwrap());
        assert!(union(&[]).unwrap().is_empty());
        let damaged = String::from_utf8(own).unwrap().replace("-----END", "-----ENT");
        assert_eq!(parse(damaged.as_bytes()).unwrap_err().code(), codes::REGISTRY_AUTHORITY);
    }
}
