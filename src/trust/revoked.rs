//! The file of revoked keys: one public key or `SHA256:` fingerprint per line.
//!
//! Public keys are what `ssh-keygen -Y verify -r` accepts as text; fingerprints serve where the key itself
//! is not at hand. A binary key revocation list is refused with the way to turn it into text.

use super::key::PublicKey;
use super::text::{self, Line};
use crate::error::{Error, Result, codes};
use crate::quote::escape;

/// Keys whose signatures no longer count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedKeys(Vec<String>);

impl RevokedKeys {
    /// Reads the content of the file. `file` is its name for messages.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self> {
        if bytes.starts_with(b"SSHKRL\n\0") {
            let message = format!("{} is a binary key revocation list", escape(file));
            return Err(Error::new(codes::REVOKED_KEYS, message)
                .with_help("write one public key or `SHA256:` fingerprint per line; `ssh-keygen -Q -l -f FILE` lists them"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Error::new(codes::REVOKED_KEYS, format!("{} is not text", escape(file)))
                .with_help("write one public key or `SHA256:` fingerprint per line")
        })?;
        text::lines(file, text).map(|line| fingerprint(&line)).collect::<Result<_>>().map(RevokedKeys)
    }

    /// Whether the key is revoked.
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.0.contains(&key.fingerprint())
    }
}

fn fingerprint(line: &Line<'_>) -> Result<String> {
    if line.text.starts_with("SHA256:") {
        let word = line.text.split_whitespace().next().unwrap_or_default();
        return match word.parse::<ssh_key::Fingerprint>() {
            Ok(fingerprint) => Ok(fingerprint.to_string()),
            Err(_) => Err(line
                .error(codes::REVOKED_KEYS, word, "this is not a fingerprint")
                .with_help("`ssh-keygen -l -f KEY.pub` shows the fingerprint of a key")),
        };
    }
    PublicKey::parse(line.text).map(|key| key.fingerprint()).map_err(|cause| {
        line.error(codes::REVOKED_KEYS, line.text, cause.message())
            .with_help(cause.help().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEhdJOLZ8TbTlxLr9Jtsbb3HzY2HuRoUwWCsnbY7J5tB";

    #[test]
    fn keys_and_fingerprints_revoke() {
        let key = PublicKey::parse(KEY).unwrap();
        for text in [format!("# lost\n{KEY} old laptop\n"), format!("{} lost\n", key.fingerprint())] {
            assert!(RevokedKeys::parse("revoked", text.as_bytes()).unwrap().contains(&key));
        }
        assert!(!RevokedKeys::default().contains(&key));
    }

    #[test]
    fn what_is_neither_is_an_error() {
        for (bytes, expected) in [
            (&b"SSHKRL\n\0\0\0"[..], "binary key revocation list"),
            (b"\xff\xfe", "is not text"),
            (b"SHA256:short", "not a fingerprint"),
            (b"\nrelease", "not a public key"),
        ] {
            let error = RevokedKeys::parse("revoked", bytes).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
            assert_eq!((error.kind().exit_status(), error.help().is_some()), (3, true));
        }
    }
}
