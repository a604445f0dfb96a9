//! OpenSSH keys as `airlock key` needs them. Only ed25519 keys sign bundles.

use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

use crate::error::{Error, Result, codes};
use crate::secret::Secret;

/// The public half of an ed25519 key.
pub(super) struct PublicKey(ssh_key::PublicKey);

impl PublicKey {
    /// From a public key line or from a private key file, encrypted or not. `name` is for messages.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self> {
        let refused = |reason: &str| {
            Error::new(codes::FILE_READ, format!("`{name}` {reason}")).with_help(
                "bundles are signed with ed25519 keys of OpenSSH: `airlock key generate`, or `ssh-keygen -t ed25519`",
            )
        };
        let key = if text.trim_start().starts_with("-----BEGIN") {
            PrivateKey::from_openssh(text).map(|key| key.public_key().clone())
        } else {
            ssh_key::PublicKey::from_openssh(text.trim())
        };
        let key = key.map_err(|error| refused("is not an OpenSSH key").with_source(error))?;
        match key.algorithm() {
            Algorithm::Ed25519 | Algorithm::SkEd25519 => Ok(PublicKey(key)),
            other => Err(refused(&format!("is a key of type {other}"))),
        }
    }

    /// `ssh-ed25519 AAAA… comment`.
    pub(super) fn line(&self) -> String {
        // Parsed from this very form, so writing it cannot fail.
        self.0.to_openssh().unwrap_or_default()
    }

    /// `SHA256:…`, as OpenSSH prints it.
    pub(super) fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The line for a list of allowed signers; the comment becomes the name of the signer.
    pub(super) fn allowed_signers_line(&self) -> String {
        let key = ssh_key::PublicKey::new(self.0.key_data().clone(), "");
        let name = signer_name(self.0.comment());
        // See `line`.
        let key = key.to_openssh().unwrap_or_default();
        format!("{name} namespaces=\"airlock.*\" {}", key.trim_end())
    }
}

/// Names in lists are patterns and end at white space, so what would mean something there is replaced.
fn signer_name(comment: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "@._+-".contains(character);
    let name: String =
        comment.chars().map(|character| if is_plain(character) { character } else { '-' }).collect();
    if name.is_empty() { "signer".to_owned() } else { name }
}

/// A new key: the private one as OpenSSH writes it, encrypted if there is a passphrase, and its public half.
pub(super) fn generate(
    comment: &str,
    passphrase: Option<&Secret<String>>,
) -> Result<(Secret<String>, PublicKey)> {
    let failed = |error: ssh_key::Error| {
        Error::new(codes::INTERNAL, "the system could not make a key").with_source(error)
    };
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    key.set_comment(comment);
    let public = PublicKey(key.public_key().clone());
    if let Some(passphrase) = passphrase {
        key = key.encrypt(&mut OsRng, passphrase.reveal()).map_err(failed)?;
    }
    let text = key.to_openssh(LineEnding::LF).map_err(failed)?;
    Ok((Secret::new(text.to_string()), public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_shows_the_same_public_half_encrypted_or_not() {
        for passphrase in [None, Some(Secret::new("correct horse".to_owned()))] {
            let (private, public) = generate("ada lovelace@lab", passphrase.as_ref()).unwrap();
            assert!(private.reveal().contains("BEGIN OPENSSH PRIVATE KEY"));
            let again = PublicKey::parse(private.reveal(), "key").unwrap();
            assert_eq!(again.fingerprint(), public.fingerprint());
            let line = PublicKey::parse(&public.line(), "key.pub").unwrap();
            assert_eq!(line.fingerprint(), public.fingerprint());
        }
    }

    #[test]
    fn names_of_signers_are_no_patterns() {
        assert_eq!(signer_name("Ada Lovelace <ada@lab>, *"), "Ada-Lovelace--ada@lab----");
        assert_eq!(signer_name(""), "signer");
    }

    #[test]
    fn other_keys_are_refused_with_the_way_out() {
        for text in ["", "ssh-ed25519 AAAA", "hello", "-----BEGIN RSA PRIVATE KEY-----\n"] {
            let error = PublicKey::parse(text, "x").err().expect(text);
            assert!(error.help().is_some_and(|help| help.contains("key generate")));
        }
    }
}
