//! One armored SSHSIG signature (OpenSSH, PROTOCOL.sshsig): made by a [`Signer`], checked by [`check`].

use ssh_key::{LineEnding, SshSig};

use super::key::PublicKey;
use crate::error::{Error, Result, codes};
use crate::quote::{escape, quote};

/// Purpose of a signature over `manifest.json`.
pub const MANIFEST_NAMESPACE: &str = "airlock.manifest.v1";

/// Purpose of a signature over `NAME-VERSION.sha256`.
pub const CHECKSUMS_NAMESPACE: &str = "airlock.sha256.v1";

/// The largest signature file in bytes; larger ones are refused unread.
pub const MAX_LENGTH: u64 = 16 * 1024;

/// Holds, or has somebody hold, a private key.
pub trait Signer {
    /// The public half.
    fn public_key(&self) -> &PublicKey;

    /// An SSHSIG signature, with SHA-512. Use [`sign`] to get it armored and checked.
    fn signature(&self, namespace: &str, message: &[u8]) -> Result<SshSig>;
}

/// A signature over `message` for the purpose `namespace`, in the armor that `ssh-keygen -Y sign` writes.
pub fn sign(signer: &dyn Signer, namespace: &str, message: &[u8]) -> Result<String> {
    let armored = armor(&signer.signature(namespace, message)?)
        .map_err(|cause| Error::new(codes::INTERNAL, "no signature can be made").with_source(cause))?;
    // An agent that signs with another key, or a faulty machine, is noticed here and not on site.
    check("the new signature", armored.as_bytes(), namespace, message)?;
    Ok(armored)
}

/// The key that made the armored signature `bytes` over `message` for the purpose `namespace`. Whether that
/// key is trusted is another question: see [`Policy`]. `file` names the signature in messages.
///
/// [`Policy`]: super::Policy
pub fn check(file: &str, bytes: &[u8], namespace: &str, message: &[u8]) -> Result<PublicKey> {
    let file = escape(file);
    let signature = parse(bytes).ok_or_else(|| {
        Error::new(codes::SIGNATURE_INVALID, format!("{file} is not an SSH signature, or a damaged one"))
            .with_help("copy the bundle again; if this stays, have it signed again")
    })?;
    let key = PublicKey::from_data(signature.public_key().clone(), "").map_err(|cause| {
        Error::new(codes::SIGNATURE_INVALID, format!("{file}: {cause}"))
            .with_help("have the bundle signed with an Ed25519 key: `airlock key generate` makes one")
    })?;
    if signature.namespace() != namespace {
        let found = quote(signature.namespace());
        let message = format!("{file} was made for the purpose `{found}`, not for `{namespace}`");
        return Err(Error::new(codes::SIGNATURE_PURPOSE, message)
            .with_detail(format!("the key is {}", key.fingerprint()))
            .with_help("have the bundle signed with `airlock bundle sign`"));
    }
    let public = ssh_key::PublicKey::from(key.data().clone());
    public.verify(namespace, message, &signature).map_err(|_| {
        let message = format!("{file} does not belong to these bytes");
        Error::new(codes::SIGNATURE_INVALID, message)
            .with_detail(format!("the key is {}", key.fingerprint()))
            .with_help("the bundle or its signature was altered: get both again from their source")
    })?;
    Ok(key)
}

/// A signature, if `bytes` are exactly the armor of one: there is only one way to write it.
fn parse(bytes: &[u8]) -> Option<SshSig> {
    if bytes.len() as u64 > MAX_LENGTH {
        return None;
    }
    let signature = SshSig::from_pem(bytes).ok()?;
    (armor(&signature).ok()?.as_bytes() == bytes).then_some(signature)
}

/// The armor as `ssh-keygen` writes it: lines of 70 characters and a final newline.
fn armor(signature: &SshSig) -> ssh_key::Result<String> {
    let mut text = signature.to_pem(LineEnding::LF)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::key;
    use crate::trust::key_file::KeyFile;
    use proptest::prelude::*;

    fn signer() -> KeyFile {
        let made = key::generate("test", None).unwrap();
        KeyFile::parse("key", made.private.reveal(), || panic!("not encrypted")).unwrap()
    }

    #[test]
    fn a_signature_holds_for_its_bytes_and_purpose_only() {
        let signer = signer();
        let armored = sign(&signer, MANIFEST_NAMESPACE, b"message").unwrap();
        let check =
            |bytes: &[u8], namespace: &str, message: &[u8]| check("file.sig", bytes, namespace, message);
        let key = check(armored.as_bytes(), MANIFEST_NAMESPACE, b"message").unwrap();
        assert!(key.is_same(signer.public_key()));
        let code = |result: Result<PublicKey>| result.unwrap_err().code();
        assert_eq!(code(check(armored.as_bytes(), MANIFEST_NAMESPACE, b"massage")), codes::SIGNATURE_INVALID);
        assert_eq!(
            code(check(armored.as_bytes(), CHECKSUMS_NAMESPACE, b"message")),
            codes::SIGNATURE_PURPOSE
        );
        let crlf = armored.replace('\n', "\r\n");
        assert_eq!(code(check(crlf.as_bytes(), MANIFEST_NAMESPACE, b"message")), codes::SIGNATURE_INVALID);
        assert_eq!(code(check(b"", MANIFEST_NAMESPACE, b"message")), codes::SIGNATURE_INVALID);
    }

    #[test]
    fn a_flipped_bit_in_any_byte_is_noticed() {
        let armored = sign(&signer(), MANIFEST_NAMESPACE, b"message").unwrap().into_bytes();
        for at in 0..armored.len() {
            let mut bad = armored.clone();
            bad[at] ^= 1 << (at % 7);
            assert!(check("file", &bad, MANIFEST_NAMESPACE, b"message").is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(check("file", &bytes, MANIFEST_NAMESPACE, b"").is_err());
        }
    }
}
