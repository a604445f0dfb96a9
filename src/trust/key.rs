//! Ed25519 keys: public ones as OpenSSH writes them, and the making of a new pair.

use sha2::{Digest as _, Sha256};
use ssh_key::public::KeyData;
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};

use crate::error::{Error, Result, codes};
use crate::quote::quote;
use crate::secret::Secret;

/// A public Ed25519 key, in software or in a FIDO token (`ssh-ed25519`, `sk-ssh-ed25519@openssh.com`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    data: KeyData,
    comment: String,
}

/// A new pair of keys.
pub struct Generated {
    /// The private key file, OpenSSH format. Belongs into a file of mode 0600.
    pub private: Secret<String>,
    /// The public key.
    pub public: PublicKey,
}

/// Makes a new Ed25519 pair, encrypted with the passphrase if there is one (bcrypt and AES-256-CTR, as
/// `ssh-keygen` does it). The comment stands in the public key, where everybody can read it.
pub fn generate(comment: &str, passphrase: Option<&Secret<String>>) -> Result<Generated> {
    let failed = |error: ssh_key::Error| Error::new(codes::INTERNAL, "no key can be made").with_source(error);
    if comment.chars().any(char::is_control) {
        return Err(Error::new(codes::USAGE, "the comment of a key has control characters")
            .with_help("use letters, for example `release@lab`"));
    }
    let mut key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    key.set_comment(comment);
    let public = PublicKey { data: key.public_key().key_data().clone(), comment: comment.to_owned() };
    if let Some(passphrase) = passphrase {
        key = key.encrypt(&mut OsRng, passphrase.reveal()).map_err(failed)?;
    }
    let text = key.to_openssh(LineEnding::LF).map_err(failed)?;
    Ok(Generated { private: Secret::new(text.as_str().to_owned()), public })
}

impl PublicKey {
    /// Reads `ssh-ed25519 AAAA… comment`, the line of a `.pub` file.
    pub fn parse(line: &str) -> Result<PublicKey> {
        let kind = line.split_whitespace().next().unwrap_or_default();
        if is_unsupported(kind) {
            return Err(Error::new(codes::PUBLIC_KEY, format!("keys of type `{kind}` are not supported"))
                .with_help("airlock signs with Ed25519 keys only: make one with `airlock key generate`"));
        }
        let key = ssh_key::PublicKey::from_openssh(line.trim()).map_err(|error| {
            let help = "a public key is one line, such as `ssh-ed25519 AAAAC3Nza… release@lab`; a private key is never wanted here";
            Error::new(codes::PUBLIC_KEY, "this is not a public key").with_source(error).with_help(help)
        })?;
        PublicKey::from_data(key.key_data().clone(), key.comment())
    }

    /// A key as it stands in a signature or in an agent's list.
    pub(super) fn from_data(data: KeyData, comment: &str) -> Result<PublicKey> {
        match data {
            KeyData::Ed25519(_) | KeyData::SkEd25519(_) => Ok(PublicKey {
                data,
                comment: comment.chars().filter(|letter| !letter.is_control()).collect(),
            }),
            other => {
                let kind = other.algorithm().to_string();
                let message = format!("keys of type `{}` are not supported", quote(&kind));
                Err(Error::new(codes::PUBLIC_KEY, message).with_help("airlock signs with Ed25519 keys only"))
            }
        }
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.data.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the key's encoding; part of file names.
    pub fn short_id(&self) -> String {
        let hash = Sha256::digest(self.encoded());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What the owner wrote behind the key.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The line of a `.pub` file, without a newline.
    pub fn to_line(&self) -> String {
        let line = ssh_key::PublicKey::new(self.data.clone(), self.comment.as_str()).to_openssh();
        // Encoding fails only for keys longer than memory.
        line.expect("a public key encodes").trim_end().to_owned()
    }

    /// The line for an allowed-signers file that trusts this key for bundles, under the name `principal`.
    pub fn allowed_line(&self, principal: &str) -> String {
        let key = self.to_line();
        let bare: Vec<_> = key.split(' ').take(2).collect();
        format!("{principal} namespaces=\"airlock.*\" {}", bare.join(" "))
    }

    pub(super) fn data(&self) -> &KeyData {
        &self.data
    }

    /// Whether both are the same key; comments do not count.
    pub fn is_same(&self, other: &PublicKey) -> bool {
        self.data == other.data
    }

    /// The encoding of RFC 4253 section 6.6, which agents and signatures carry.
    pub(super) fn encoded(&self) -> Vec<u8> {
        // Encoding fails only for keys longer than memory.
        ssh_key::PublicKey::from(self.data.clone()).to_bytes().expect("a public key encodes")
    }
}

/// Types that OpenSSH knows and this program does not verify.
fn is_unsupported(kind: &str) -> bool {
    ["ssh-rsa", "ssh-dss", "ecdsa-", "sk-ecdsa-"].iter().any(|known| kind.starts_with(known))
        || kind.contains("-cert-v01@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_read_back_with_its_comment() {
        let made = generate("release@lab", None).unwrap();
        let line = made.public.to_line();
        assert!(line.starts_with("ssh-ed25519 AAAA") && line.ends_with(" release@lab"), "{line}");
        assert_eq!(PublicKey::parse(&line).unwrap(), made.public);
        assert!(made.private.reveal().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        assert_eq!(made.public.short_id().len(), 16);
        assert!(
            made.public
                .allowed_line("release")
                .starts_with("release namespaces=\"airlock.*\" ssh-ed25519 AAAA")
        );
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused_clearly() {
        for (line, expected) in [
            ("", "this is not a public key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", "this is not a public key"),
            ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==", "keys of type `ssh-rsa`"),
            ("ecdsa-sha2-nistp256 AAAA", "keys of type `ecdsa-sha2-nistp256`"),
            ("ssh-ed25519-cert-v01@openssh.com AAAA", "keys of type `ssh-ed25519-cert-v01@openssh.com`"),
            ("ssh-ed25519 AAAA", "this is not a public key"),
        ] {
            let error = PublicKey::parse(line).unwrap_err();
            assert!(error.message().starts_with(expected), "{line}: {error}");
            assert_eq!(error.kind().exit_status(), 3);
        }
    }

    #[test]
    fn control_characters_in_a_comment_are_refused() {
        let error = generate("a\nb", None).err().expect("refused");
        assert_eq!(error.kind().exit_status(), 2);
    }
}
