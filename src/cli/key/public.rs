//! The public half of a key file, and its line in a list of allowed signers.

use ssh_key::PrivateKey;

use crate::error::{Error, Result, codes};
use crate::trust::key::PublicKey;

/// Reads a `.pub` line or a private key file; the public half of the latter is never encrypted.
/// `name` is the file's, for messages.
pub(super) fn parse(text: &str, name: &str) -> Result<PublicKey> {
    if !text.trim_start().starts_with("-----BEGIN") {
        return PublicKey::parse(text).map_err(|error| refused(name, error));
    }
    let line = PrivateKey::from_openssh(text).and_then(|key| key.public_key().to_openssh());
    let line = line.map_err(|error| refused(name, error))?;
    PublicKey::parse(&line).map_err(|error| refused(name, error))
}

fn refused(name: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(codes::PUBLIC_KEY, format!("`{name}` is not a key that can sign bundles"))
        .with_help("name a key made by `airlock key generate` or `ssh-keygen -t ed25519`, or its `.pub` file")
        .with_source(error)
}

/// The line that trusts `key`, under its comment as the name of the signer.
pub(super) fn allowed_line(key: &PublicKey) -> String {
    key.allowed_line(&signer_name(key.comment()))
}

/// Names in lists are patterns and end at white space, so what would mean something there is replaced.
fn signer_name(comment: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "@._+-".contains(character);
    let name: String =
        comment.chars().map(|character| if is_plain(character) { character } else { '-' }).collect();
    if name.is_empty() { "signer".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::trust::key::generate;

    #[test]
    fn both_files_of_a_key_show_the_same_public_half() {
        for passphrase in [None, Some(Secret::new("correct horse".to_owned()))] {
            let made = generate("ada lovelace@lab", passphrase.as_ref()).unwrap();
            let private = parse(made.private.reveal(), "key").unwrap();
            assert!(private.is_same(&made.public));
            // OpenSSH hides the comment of an encrypted key together with the key.
            assert!(passphrase.is_some() || private.comment() == "ada lovelace@lab");
            assert!(allowed_line(&made.public).starts_with("ada-lovelace@lab namespaces="));
        }
    }

    #[test]
    fn names_of_signers_are_no_patterns() {
        assert_eq!(signer_name("Ada Lovelace <ada@lab>, *"), "Ada-Lovelace--ada@lab----");
        assert_eq!(signer_name(""), "signer");
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_way_out() {
        for text in ["", "ssh-ed25519 AAAA", "hello", "-----BEGIN RSA PRIVATE KEY-----\n"] {
            let error = parse(text, "x").expect_err(text);
            assert_eq!(error.kind().exit_status(), 3);
            assert!(error.help().is_some());
        }
    }
}
