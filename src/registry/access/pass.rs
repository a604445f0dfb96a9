//! Passes: short-lived tokens that the server signs for itself and need not remember.
//!
//! The key lives as long as the process, and time is counted from its start: a pass survives no restart, and
//! no clock that jumps.

use std::time::Instant;

use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Rights;
use crate::error::{Error, Result, codes};

/// For how many seconds a pass is good: longer than any chunk, shorter than a coffee.
pub(super) const LIFETIME: u64 = 900;

/// Rights and the second at which it ends.
const CLAIMS: usize = 9;

/// Issues passes and recognises its own.
pub(super) struct Passes {
    key: hmac::Key,
    start: Instant,
}

impl Passes {
    pub(super) fn new() -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).map_err(|_| {
            Error::new(codes::RESOURCES, "the system gives no random bytes").with_help("restart the machine")
        })?;
        Ok(Passes { key, start: Instant::now() })
    }

    /// A pass with these rights, from `now` on.
    pub(super) fn issue(&self, rights: Rights, now: Instant) -> String {
        let mut bytes = vec![rights as u8];
        bytes.extend_from_slice(&(self.second(now) + LIFETIME).to_be_bytes());
        let signature = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(signature.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The rights of a pass; `None` if it is not ours or too old.
    pub(super) fn rights(&self, pass: &str, now: Instant) -> Option<Rights> {
        let bytes = URL_SAFE_NO_PAD.decode(pass).ok()?;
        let (claims, signature) = bytes.split_at_checked(CLAIMS)?;
        hmac::verify(&self.key, claims, signature).ok()?;
        let (rights, end) = claims.split_first()?;
        let end = u64::from_be_bytes(end.try_into().ok()?);
        let rights = [Rights::Nothing, Rights::Pull, Rights::Everything]
            .into_iter()
            .find(|known| *known as u8 == *rights)?;
        (self.second(now) < end).then_some(rights)
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_pass_ends_and_cannot_be_changed() {
        let passes = Passes::new().unwrap();
        let now = Instant::now();
        let pass = passes.issue(Rights::Pull, now);
        assert_eq!(passes.rights(&pass, now), Some(Rights::Pull));
        assert_eq!(passes.rights(&pass, now + Duration::from_secs(LIFETIME + 1)), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(&pass).unwrap();
        bytes[0] = Rights::Everything as u8;
        assert_eq!(passes.rights(&URL_SAFE_NO_PAD.encode(bytes), now), None);
        assert_eq!(Passes::new().unwrap().rights(&pass, now), None);
        for text in ["", "AAAA", "not base64 at all", &pass[..pass.len() - 4]] {
            assert_eq!(passes.rights(text, now), None, "{text}");
        }
    }
}
