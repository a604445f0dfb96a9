//! A private key in a file (OpenSSH, PROTOCOL.key).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ssh_key::private::KeypairData;
use ssh_key::{HashAlg, PrivateKey, SshSig};

use super::key::PublicKey;
use super::signature::Signer;
use crate::error::{Error, Result, codes};
use crate::quote::escape;
use crate::secret::Secret;

/// A key file is a few hundred bytes; nothing larger is read.
const MAX_LENGTH: u64 = 64 * 1024;

/// An Ed25519 private key, decrypted, in memory.
pub struct KeyFile {
    key: PrivateKey,
    public: PublicKey,
}

impl KeyFile {
    /// Reads a private key file, which only its owner may be able to read. `passphrase` is asked only if
    /// the key is encrypted.
    pub fn open(path: &Path, passphrase: impl FnOnce() -> Result<Secret<String>>) -> Result<KeyFile> {
        let name = path.display().to_string();
        let metadata = fs_err::metadata(path).map_err(|cause| {
            Error::new(codes::PRIVATE_KEY, format!("private key {} cannot be read", escape(&name)))
                .with_source(cause)
                .with_help("name an existing key, or make one with `airlock key generate`")
        })?;
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o777;
            let message = format!("private key {} can be read by others (mode {mode:04o})", escape(&name));
            return Err(Error::new(codes::PRIVATE_KEY_MODE, message).with_help(format!("chmod 600 {name}")));
        }
        if metadata.len() > MAX_LENGTH {
            return Err(not_a_key(&name));
        }
        let text = fs_err::read_to_string(path)
            .map(Secret::new)
            .map_err(|cause| not_a_key(&name).with_source(cause))?;
        KeyFile::parse(&name, text.reveal(), passphrase)
    }

    /// Reads the content of a private key file. `file` is its name for messages.
    pub fn parse(
        file: &str,
        text: &str,
        passphrase: impl FnOnce() -> Result<Secret<String>>,
    ) -> Result<KeyFile> {
        // Other formats begin differently; their owners should hear what to do and not a parse error.
        if !text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
            return Err(not_a_key(file));
        }
        let mut key = PrivateKey::from_openssh(text).map_err(|cause| unusable(file).with_source(cause))?;
        if !matches!(key.public_key().key_data(), ssh_key::public::KeyData::Ed25519(_)) {
            return Err(wrong_type(file, key.algorithm().as_str()));
        }
        if key.is_encrypted() {
            let secret = passphrase()?;
            key = key.decrypt(secret.reveal()).map_err(|_| {
                Error::new(
                    codes::PRIVATE_KEY_LOCKED,
                    format!("the passphrase does not open {}", escape(file)),
                )
                .with_help(format!("try again; `ssh-keygen -y -f {file}` tests a passphrase"))
            })?;
        }
        let KeypairData::Ed25519(_) = key.key_data() else { return Err(unusable(file)) };
        let public = PublicKey::from_data(key.public_key().key_data().clone(), key.comment())?;
        Ok(KeyFile { key, public })
    }
}

impl Signer for KeyFile {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn signature(&self, namespace: &str, message: &[u8]) -> Result<SshSig> {
        self.key
            .sign(namespace, HashAlg::Sha512, message)
            .map_err(|cause| Error::new(codes::INTERNAL, "no signature can be made").with_source(cause))
    }
}

fn not_a_key(file: &str) -> Error {
    Error::new(codes::PRIVATE_KEY, format!("{} is not an OpenSSH private key", escape(file))).with_help(
        "make one with `airlock key generate`; a public key (`.pub`) selects a key of the ssh-agent",
    )
}

fn unusable(file: &str) -> Error {
    Error::new(codes::PRIVATE_KEY, format!("private key {} is damaged", escape(file)))
        .with_help("restore it from a backup, or make a new one with `airlock key generate`")
}

fn wrong_type(file: &str, kind: &str) -> Error {
    let message = format!("private key {} is of type `{kind}`", escape(file));
    Error::new(codes::PRIVATE_KEY, message)
        .with_help("airlock signs with Ed25519 keys only: make one with `airlock key generate`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::key;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_only() {
        let made = key::generate("me", Some(&secret("correct horse"))).unwrap();
        let key = KeyFile::parse("key", made.private.reveal(), || Ok(secret("correct horse"))).unwrap();
        assert!(key.public_key().is_same(&made.public));
        let error = KeyFile::parse("key", made.private.reveal(), || Ok(secret("wrong"))).err().unwrap();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::PRIVATE_KEY_LOCKED, 7));
        assert!(!format!("{error:?}").contains("wrong"));
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        fs_err::write(&path, key::generate("me", None).unwrap().private.reveal()).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let open = || KeyFile::open(&path, || panic!("not encrypted"));
        let error = open().err().unwrap();
        assert_eq!((error.code(), error.kind().exit_status()), (codes::PRIVATE_KEY_MODE, 7));
        assert_eq!(error.help().unwrap(), format!("chmod 600 {}", path.display()));
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(open().is_ok());
    }

    #[test]
    fn what_is_no_private_key_is_refused_clearly() {
        let made = key::generate("me", None).unwrap();
        let damaged = made.private.reveal().replacen("b3Bl", "AAAA", 1);
        for (text, expected) in [
            ("", "is not an OpenSSH private key"),
            (&made.public.to_line(), "is not an OpenSSH private key"),
            ("-----BEGIN RSA PRIVATE KEY-----", "is not an OpenSSH private key"),
            (&damaged, "is damaged"),
        ] {
            let error = KeyFile::parse("key", text, || panic!("not asked")).err().unwrap();
            assert!(error.message().contains(expected), "{error}");
            assert_eq!((error.kind().exit_status(), error.help().is_some()), (3, true));
        }
    }
}
