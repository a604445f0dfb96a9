//! The key that signs the repository of one bundle, and what it makes: deterministic bytes that the apt of every
//! supported release accepts.
//!
//! A version 4 key with EdDSA by its old name (RFC 9580, `EdDSALegacy`): GnuPG 2.2, which old releases verify
//! with, knows no other way to write Ed25519.

use pgp::composed::{ArmorOptions, DetachedSignature, SignedKeyDetails, SignedPublicKey};
use pgp::crypto::ed25519::{Mode, SecretKey as Ed25519};
use pgp::crypto::eddsa_legacy::SecretKey as LegacyEddsa;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    KeyFlags, PubKeyInner, PublicKey, SecretKey, SignatureConfig, SignatureType, Subpacket, SubpacketData,
    UserId,
};
use pgp::ser::Serialize as _;
use pgp::types::{
    EddsaLegacyPublicParams, KeyDetails as _, KeyVersion, Password, PlainSecretParams, PublicParams,
    SecretParams, SignedUser, Tag, Timestamp,
};

use super::Fingerprint;
use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// When the key and all its signatures claim to be made: 2020-01-01. Machines behind the gap often have a clock
/// far in the past, and both gpgv and sqv refuse what comes from the future.
const MADE: u32 = 1_577_836_800;

/// Signs the repository of one bundle.
pub struct SigningKey {
    secret: SecretKey,
    public: SignedPublicKey,
}

impl SigningKey {
    /// Makes the key from 32 random bytes; the same bytes make the same key. `name` is its user ID, for people
    /// who look at it with gpg.
    ///
    /// # Errors
    /// [`codes::DEBIAN_SIGN`], which would be a bug.
    pub fn from_seed(seed: &Secret<[u8; 32]>, name: &str) -> Result<Self> {
        Self::make(seed, name).map_err(cannot_sign)
    }

    fn make(seed: &Secret<[u8; 32]>, name: &str) -> pgp::errors::Result<Self> {
        let secret = Ed25519::try_from_bytes(*seed.reveal(), Mode::EdDSALegacy)?;
        let parameters = PublicParams::EdDSALegacy(EddsaLegacyPublicParams::from(&secret));
        let algorithm = PublicKeyAlgorithm::EdDSALegacy;
        let made = Timestamp::from_secs(MADE);
        let primary =
            PublicKey::from_inner(PubKeyInner::new(KeyVersion::V4, algorithm, made, None, parameters)?)?;
        let secret = SecretParams::Plain(PlainSecretParams::EdDSALegacy(LegacyEddsa::Ed25519(secret)));
        let secret = SecretKey::new(primary.clone(), secret)?;
        let user = UserId::from_str(Default::default(), name)?;
        let mut config = configuration(&secret, SignatureType::CertPositive)?;
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(true);
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags))?);
        let binding = config.sign_certification(&secret, &primary, &Password::empty(), Tag::UserId, &user)?;
        let users = vec![SignedUser::new(user, vec![binding])];
        let details = SignedKeyDetails::new(Vec::new(), Vec::new(), users, Vec::new());
        Ok(SigningKey { secret, public: SignedPublicKey::new(primary, details, Vec::new()) })
    }

    /// What identifies the key.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.public.primary_key)
    }

    /// The binary keyring for `Signed-By`, to be stored under a name that ends in `.gpg`.
    ///
    /// # Errors
    /// [`codes::DEBIAN_SIGN`], which would be a bug.
    pub fn keyring(&self) -> Result<Vec<u8>> {
        self.public.to_bytes().map_err(cannot_sign)
    }

    /// The keyring in ASCII armor, to be stored under a name that ends in `.asc`.
    ///
    /// # Errors
    /// [`codes::DEBIAN_SIGN`], which would be a bug.
    pub fn armored_keyring(&self) -> Result<String> {
        self.public.to_armored_string(ArmorOptions::default()).map_err(cannot_sign)
    }

    /// The armored signature of `text`, as for `Release.gpg`.
    ///
    /// # Errors
    /// [`codes::DEBIAN_SIGN`], which would be a bug.
    pub fn sign_detached(&self, text: &str) -> Result<String> {
        self.sign(SignatureType::Binary, text).map_err(cannot_sign)
    }

    /// `text` as a clear-signed message, as for `InRelease`. Its lines must end in `\n`, without white space before it.
    ///
    /// # Errors
    /// [`codes::DEBIAN_SIGN`], which would be a bug.
    pub fn sign_inline(&self, text: &str) -> Result<String> {
        // The last line end belongs to the frame and is not signed (RFC 9580, 7.2).
        let signed = text.strip_suffix('\n').unwrap_or(text);
        let signature = self.sign(SignatureType::Text, signed).map_err(cannot_sign)?;
        let escaped: String = signed
            .split('\n')
            .map(|line| if line.starts_with('-') { format!("- {line}\n") } else { format!("{line}\n") })
            .collect();
        Ok(format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{escaped}{signature}"))
    }

    fn sign(&self, kind: SignatureType, text: &str) -> pgp::errors::Result<String> {
        let config = configuration(&self.secret, kind)?;
        let signature = config.sign(&self.secret, &Password::empty(), text.as_bytes())?;
        DetachedSignature::new(signature).to_armored_string(ArmorOptions::default())
    }
}

/// What every signature of the key says: SHA-512, the fixed time, who made it.
fn configuration(key: &SecretKey, kind: SignatureType) -> pgp::errors::Result<SignatureConfig> {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha512);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE)))?,
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
    ];
    config.unhashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(config)
}

fn cannot_sign(cause: pgp::errors::Error) -> Error {
    Error::new(codes::DEBIAN_SIGN, "the package repository of the bundle cannot be signed").with_source(cause)
}
