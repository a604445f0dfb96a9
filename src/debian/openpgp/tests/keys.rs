//! Makes keys and signatures that a decent program would not make.

use pgp::composed::{ArmorOptions, DetachedSignature, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::ed25519::{Mode, SecretKey as Ed25519};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    KeyFlags, PubKeyInner, PublicKey, PublicSubkey, SecretKey, SecretSubkey, Signature, SignatureConfig,
    SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize as _;
use pgp::types::{
    Duration, Ed25519PublicParams, KeyVersion, Password, PlainSecretParams, PublicParams, SecretParams,
    SignedUser, SigningKey, Tag, Timestamp,
};

use super::super::Keyring;

/// 2025-01-01, when all keys are made unless said otherwise.
pub(super) const MADE: u32 = 1_735_689_600;

/// What is wrong with a key. The default is a good one.
#[derive(Clone, Copy)]
pub(super) struct Flaws {
    pub(super) made: u32,
    /// Seconds until it expires, 0 for never.
    pub(super) lifetime: u32,
    pub(super) revoked: bool,
    pub(super) may_sign: bool,
}

impl Default for Flaws {
    fn default() -> Self {
        Flaws { made: MADE, lifetime: 0, revoked: false, may_sign: true }
    }
}

pub(super) struct Key {
    pub(super) secret: SecretKey,
    pub(super) public: SignedPublicKey,
}

pub(super) fn key(seed: u8, flaws: Flaws) -> Key {
    let (inner, parameters) = material(seed, flaws.made);
    let primary = PublicKey::from_inner(inner).unwrap();
    let secret = SecretKey::new(primary.clone(), parameters).unwrap();
    let user = UserId::from_str(Default::default(), "Test <test@example.com>").unwrap();
    let mut config = configuration(&secret, SignatureType::CertPositive, HashAlgorithm::Sha512, flaws.made);
    config.hashed_subpackets.extend(claims(flaws));
    let binding =
        config.sign_certification(&secret, &primary, &Password::empty(), Tag::UserId, &user).unwrap();
    let revocations = if flaws.revoked { vec![revocation(&secret, &primary)] } else { Vec::new() };
    let details = SignedKeyDetails::new(
        revocations,
        Vec::new(),
        vec![SignedUser::new(user, vec![binding])],
        Vec::new(),
    );
    Key { secret, public: SignedPublicKey::new(primary, details, Vec::new()) }
}

/// Adds a subkey to `key`; `agreed` decides whether it signs back.
pub(super) fn with_subkey(mut key: Key, seed: u8, flaws: Flaws, agreed: bool) -> (Key, SecretSubkey) {
    let (inner, parameters) = material(seed, flaws.made);
    let public = PublicSubkey::from_inner(inner).unwrap();
    let secret = SecretSubkey::new(public.clone(), parameters).unwrap();
    let mut config =
        configuration(&key.secret, SignatureType::SubkeyBinding, HashAlgorithm::Sha512, flaws.made);
    config.hashed_subpackets.extend(claims(flaws));
    if agreed {
        let back = configuration(&secret, SignatureType::KeyBinding, HashAlgorithm::Sha512, flaws.made);
        let back = back
            .sign_primary_key_binding(&secret, &public, &Password::empty(), &key.public.primary_key)
            .unwrap();
        config
            .hashed_subpackets
            .push(Subpacket::regular(SubpacketData::EmbeddedSignature(Box::new(back))).unwrap());
    }
    let binding = config
        .sign_subkey_binding(&key.secret, &key.public.primary_key, &Password::empty(), &public)
        .unwrap();
    let mut signatures = vec![binding];
    if flaws.revoked {
        let config = configuration(&key.secret, SignatureType::SubkeyRevocation, HashAlgorithm::Sha512, MADE);
        signatures.push(
            config
                .sign_subkey_binding(&key.secret, &key.public.primary_key, &Password::empty(), &public)
                .unwrap(),
        );
    }
    key.public.public_subkeys.push(SignedPublicSubKey::new(public, signatures));
    (key, secret)
}

fn material(seed: u8, made: u32) -> (PubKeyInner, SecretParams) {
    let secret = Ed25519::try_from_bytes([seed; 32], Mode::Ed25519).unwrap();
    let parameters = PublicParams::Ed25519(Ed25519PublicParams::from(&secret));
    let made = Timestamp::from_secs(made);
    let inner =
        PubKeyInner::new(KeyVersion::V4, PublicKeyAlgorithm::Ed25519, made, None, parameters).unwrap();
    (inner, SecretParams::Plain(PlainSecretParams::Ed25519(secret)))
}

fn claims(flaws: Flaws) -> Vec<Subpacket> {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(flaws.may_sign);
    let lifetime = Duration::from_secs(flaws.lifetime);
    let claims = [SubpacketData::KeyFlags(flags), SubpacketData::KeyExpirationTime(lifetime)];
    claims.map(|claim| Subpacket::regular(claim).unwrap()).into()
}

fn revocation(secret: &SecretKey, public: &PublicKey) -> Signature {
    let config = configuration(secret, SignatureType::KeyRevocation, HashAlgorithm::Sha512, MADE);
    config.sign_key(secret, &Password::empty(), public).unwrap()
}

/// A signature by `key` of a `kind`, claiming to be `made` then.
pub(super) fn configuration(
    key: &impl SigningKey,
    kind: SignatureType,
    hash: HashAlgorithm,
    made: u32,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), hash);
    let claims = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(made)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    config.hashed_subpackets = claims.map(|claim| Subpacket::regular(claim).unwrap()).into();
    config
}

/// The armored signature of `text`.
pub(super) fn sign(config: SignatureConfig, key: &impl SigningKey, text: &str) -> String {
    let signature = config.sign(key, &Password::empty(), text.as_bytes()).unwrap();
    DetachedSignature::new(signature).to_armored_string(ArmorOptions::default()).unwrap()
}

/// A clear-signed message of `text`, whose lines need no escapes.
pub(super) fn clear_signed(key: &impl SigningKey, hash: HashAlgorithm, text: &str) -> String {
    let signature = sign(configuration(key, SignatureType::Text, hash, MADE), key, text);
    format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: {hash}\n\n{text}\n{signature}")
}

pub(super) fn keyring(keys: &[&Key]) -> Keyring {
    let bytes: Vec<u8> = keys.iter().flat_map(|key| key.public.to_bytes().unwrap()).collect();
    Keyring::parse(&bytes, "keyring.gpg").unwrap()
}
