//! Which keys of a certificate (a primary key with its names and subkeys) may sign repositories at a given time.

use jiff::Timestamp;
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use super::policy;
use crate::error::{Code, codes};

/// Why a signature or key does not count.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(code: Code, reason: impl Into<String>) -> Self {
        Refusal { code, reason: reason.into() }
    }
}

/// A certificate, looked at from a moment in time.
pub(super) struct Certificate<'a> {
    pub(super) key: &'a SignedPublicKey,
    pub(super) at: Timestamp,
    /// Whether its fingerprint is pinned.
    pub(super) pinned: bool,
}

impl Certificate<'_> {
    /// Whether the primary key counts at all.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let key = &self.key.primary_key;
        policy::key_algorithm(key.public_params())
            .map_err(|reason| Refusal::new(codes::DEBIAN_KEY_WEAK, reason))?;
        let revocations = &self.key.details.revocation_signatures;
        if revocations.iter().any(|signature| signature.verify_key(key).is_ok()) {
            return Err(Refusal::new(codes::DEBIAN_KEY_REVOKED, "is revoked by its owner"));
        }
        self.check_lifetime(key, self.newest_self_signature()?)
    }

    /// Whether the primary key may sign repositories.
    pub(super) fn check_primary_for_signing(&self) -> Result<(), Refusal> {
        self.check()?;
        check_purpose(self.newest_self_signature()?)
    }

    /// Whether a subkey may sign repositories: bound by the primary key, and having agreed to it.
    pub(super) fn check_subkey_for_signing(&self, subkey: &SignedPublicSubKey) -> Result<(), Refusal> {
        self.check()?;
        let parameters = subkey.key.public_params();
        policy::key_algorithm(parameters).map_err(|reason| Refusal::new(codes::DEBIAN_KEY_WEAK, reason))?;
        let primary = &self.key.primary_key;
        let bound = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
        let of_type =
            |wanted| subkey.signatures.iter().filter(move |signature| signature.typ() == Some(wanted));
        if of_type(SignatureType::SubkeyRevocation).any(|signature| bound(&signature)) {
            return Err(Refusal::new(codes::DEBIAN_KEY_REVOKED, "is revoked by its owner"));
        }
        let bindings = of_type(SignatureType::SubkeyBinding).filter(|signature| self.counts(signature));
        let newest = newest(bindings.filter(bound)).ok_or_else(unbound)?;
        self.check_lifetime(&subkey.key, newest)?;
        check_purpose(newest)?;
        let agrees = newest.embedded_signature().is_some_and(|back| {
            self.counts(back) && back.verify_primary_key_binding(&subkey.key, primary).is_ok()
        });
        if agrees { Ok(()) } else { Err(unbound()) }
    }

    /// The newest signature by which the key speaks about itself: directly or through one of its names.
    fn newest_self_signature(&self) -> Result<&Signature, Refusal> {
        let key = &self.key.primary_key;
        let direct = self.key.details.direct_signatures.iter().filter(|signature| {
            signature.typ() == Some(SignatureType::Key)
                && self.counts(signature)
                && signature.verify_key(key).is_ok()
        });
        let names = self.key.details.users.iter().filter_map(|user| {
            let own = user.signatures.iter().filter(|signature| {
                self.counts(signature) && signature.verify_certification(key, Tag::UserId, &user.id).is_ok()
            });
            newest(own).filter(|signature| signature.typ() != Some(SignatureType::CertRevocation))
        });
        newest(direct.chain(names)).ok_or_else(unbound)
    }

    /// Whether a binding signature counts: strong enough and made before now.
    fn counts(&self, signature: &Signature) -> bool {
        let made = signature.created().map(|made| i64::from(made.as_secs()));
        policy::is_sound_binding(signature, self.pinned)
            && made.is_some_and(|made| made <= self.at.as_second())
    }

    fn check_lifetime(&self, key: &impl KeyDetails, binding: &Signature) -> Result<(), Refusal> {
        let now = self.at.as_second();
        let created = i64::from(key.created_at().as_secs());
        if created > now {
            return Err(Refusal::new(
                codes::DEBIAN_KEY_EXPIRED,
                "does not exist yet by this machine's clock",
            ));
        }
        let lifetime = binding.key_expiration_time().map_or(0, |lifetime| i64::from(lifetime.as_secs()));
        if lifetime != 0 && created + lifetime <= now {
            let end = Timestamp::from_second(created + lifetime).unwrap_or(Timestamp::MAX);
            return Err(Refusal::new(
                codes::DEBIAN_KEY_EXPIRED,
                format!("expired on {}", end.strftime("%F")),
            ));
        }
        Ok(())
    }
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// A key that does not say what it is for may sign; one that does must say so (RFC 9580, 5.2.3.29).
fn check_purpose(binding: &Signature) -> Result<(), Refusal> {
    let says = binding.config().is_some_and(|config| {
        config.hashed_subpackets().any(|subpacket| matches!(subpacket.data, SubpacketData::KeyFlags(_)))
    });
    if says && !binding.key_flags().sign() {
        return Err(Refusal::new(codes::DEBIAN_SIGNATURE, "is not a key for signing"));
    }
    Ok(())
}

fn unbound() -> Refusal {
    Refusal::new(
        codes::DEBIAN_KEY_WEAK,
        "does not vouch for itself by a signature that counts; many old keys do it with SHA-1, which airlock \
         accepts if the fingerprint of the key is pinned",
    )
}
