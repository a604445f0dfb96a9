//! The fingerprint of a certificate authority: SHA-256 over the certificate, as `SHA256:` and base64, or as
//! `openssl x509 -noout -fingerprint -sha256` prints it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Error, Result, codes};
use crate::oci::digest::Digest;
use crate::quote::quote;

/// A fingerprint to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(Digest);

impl Fingerprint {
    /// Reads either form.
    ///
    /// # Errors
    /// [`codes::USAGE`].
    pub fn parse(text: &str) -> Result<Fingerprint> {
        let base64 = text.strip_prefix("SHA256:").and_then(|rest| STANDARD_NO_PAD.decode(rest).ok());
        let hex = || {
            let rest = text.rsplit('=').next().unwrap_or_default().replace(':', "").to_ascii_lowercase();
            Digest::from_hex(&rest).ok()
        };
        let bytes = base64.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let digest = bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        digest.and_then(|digest| Digest::from_hex(&digest).ok()).or_else(hex).map(Fingerprint).ok_or_else(
            || {
                Error::new(codes::USAGE, format!("`{}` is not a fingerprint", quote(text))).with_help(
                    "it is `SHA256:` and 43 characters, as `airlock install` prints it on the server",
                )
            },
        )
    }

    /// Whether it is that of a certificate.
    pub fn is_of(&self, certificate: &CertificateDer<'_>) -> bool {
        Digest::of(certificate) == self.0
    }
}

/// The fingerprint of the first certificate in a PEM text.
///
/// # Errors
/// [`codes::REGISTRY_AUTHORITY`].
pub fn of_pem(pem: &[u8]) -> Result<String> {
    let certificate = CertificateDer::from_pem_slice(pem).map_err(|_| {
        Error::new(codes::REGISTRY_AUTHORITY, "the certificate of the registry's authority is damaged")
            .with_help("move it away and restart airlock-registry, which makes it again from its key")
    })?;
    Ok(format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::of(&certificate).bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_mean_the_same() {
        let made = rcgen::generate_simple_self_signed(vec!["reg.lab".to_owned()]).unwrap();
        let text = of_pem(made.cert.pem().as_bytes()).unwrap();
        assert_eq!(text.len(), "SHA256:".len() + 43);
        let hex = Digest::of(made.cert.der()).hex();
        let pairs: Vec<&str> =
            hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        let openssl = format!("sha256 Fingerprint={}", pairs.join(":").to_uppercase());
        for form in [text.as_str(), &hex, &openssl] {
            assert!(Fingerprint::parse(form).unwrap().is_of(made.cert.der()), "{form}");
        }
        for bad in ["", "SHA256:", "SHA256:abc", &text[..49], "MD5:00"] {
            assert!(Fingerprint::parse(bad).is_err(), "{bad}");
        }
    }
}
