//! Which algorithms count.

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureVersion, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{EcdsaPublicParams, EddsaLegacyPublicParams, PublicParams};

/// The smallest RSA modulus that counts, in bits.
const SMALLEST_RSA: u16 = 2048;

/// Names the key's algorithm; the error says why it does not count.
pub(super) fn key_algorithm(parameters: &PublicParams) -> Result<String, String> {
    match parameters {
        PublicParams::RSA(_) => match rsa_bits(parameters) {
            bits if bits >= SMALLEST_RSA => Ok(format!("RSA with {bits} bits")),
            bits => Err(format!("is an RSA key of only {bits} bits")),
        },
        PublicParams::Ed25519(_) | PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. }) => {
            Ok("Ed25519".to_owned())
        }
        PublicParams::ECDSA(EcdsaPublicParams::P256 { .. }) => Ok("ECDSA P-256".to_owned()),
        PublicParams::ECDSA(EcdsaPublicParams::P384 { .. }) => Ok("ECDSA P-384".to_owned()),
        PublicParams::ECDSA(EcdsaPublicParams::P521 { .. }) => Ok("ECDSA P-521".to_owned()),
        PublicParams::DSA(_) => Err("is a DSA key, which is too weak".to_owned()),
        _ => Err("is of an algorithm that airlock does not accept".to_owned()),
    }
}

/// The length of the modulus, which the first number of the key's material begins with (RFC 9580, 3.2).
fn rsa_bits(parameters: &PublicParams) -> u16 {
    match parameters.to_bytes().as_deref() {
        Ok([high, low, ..]) => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// Whether a hash may carry the signature of data.
pub(super) fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(hash, HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
}

/// Whether a signature by which a key binds its own parts counts. SHA-1 does only under a pinned fingerprint:
/// then the key is known by other means, and some owners, NVIDIA among them, never sign theirs again.
pub(super) fn is_sound_binding(signature: &Signature, pinned: bool) -> bool {
    let hash_counts =
        signature.hash_alg().is_some_and(|hash| is_strong(hash) || (pinned && hash == HashAlgorithm::Sha1));
    hash_counts && is_understood(signature)
}

/// Whether the signature is of a current version and demands nothing that we do not know (RFC 9580, 5.2.3.7).
pub(super) fn is_understood(signature: &Signature) -> bool {
    let known = |data: &SubpacketData| {
        !matches!(
            data,
            SubpacketData::Experimental(..) | SubpacketData::Other(..) | SubpacketData::Notation(_)
        )
    };
    matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6)
        && signature.config().is_some_and(|config| {
            config.hashed_subpackets().all(|subpacket| !subpacket.is_critical || known(&subpacket.data))
        })
}
