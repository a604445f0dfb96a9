//! The tokens of a cluster: `K10<hash of its authority>::<user>:<password>`, or the password alone.

use airlock::oci::digest::Digest;

use super::Result;

/// A token as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the file `server-ca.crt`, in hexadecimal digits. The short form has none.
    pub authority: Option<String>,
    /// `server` or `node`.
    pub user: String,
    /// The secret.
    pub password: String,
}

impl Token {
    /// Reads either form. `user` is whom the short form is for.
    pub fn parse(text: &str, user: &str) -> Result<Token> {
        let text = text.trim();
        if text.is_empty() {
            return Err("token must not be empty".into());
        }
        let Some(rest) = text.strip_prefix("K10") else {
            return Ok(Token { authority: None, user: user.to_owned(), password: text.to_owned() });
        };
        let (authority, credentials) = rest.split_once("::").ok_or("invalid token format")?;
        if authority.len() != 64 {
            return Err("invalid token CA hash length".into());
        }
        let (user, password) = credentials.split_once(':').ok_or("invalid token format")?;
        Ok(Token {
            authority: Some(authority.to_owned()),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// The long form, for joiners.
    pub fn full(authority: &[u8], user: &str, password: &str) -> String {
        format!("K10{}::{user}:{password}", hash(authority))
    }

    /// Compares the authority of the token with that of the cluster. The short form takes every one.
    pub fn check_authority(&self, authority: &[u8]) -> Result<()> {
        let (Some(expected), found) = (&self.authority, hash(authority)) else { return Ok(()) };
        if *expected == found {
            return Ok(());
        }
        let message = "token CA hash does not match the Cluster CA certificate hash";
        Err(format!("{message}: {expected} != {found}").into())
    }
}

/// As tokens have it.
fn hash(authority: &[u8]) -> String {
    Digest::of(authority).hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_the_authority_is_compared() {
        let full = Token::full(b"authority", "server", "secret");
        let token = Token::parse(&format!("{full}\n"), "node").unwrap();
        assert_eq!((token.user.as_str(), token.password.as_str()), ("server", "secret"));
        token.check_authority(b"authority").unwrap();
        let error = token.check_authority(b"other").unwrap_err().to_string();
        assert!(
            error.starts_with("token CA hash does not match the Cluster CA certificate hash: "),
            "{error}"
        );
        let short = Token::parse("secret", "node").unwrap();
        assert_eq!((short.user.as_str(), short.password.as_str()), ("node", "secret"));
        short.check_authority(b"other").unwrap();
    }

    #[test]
    fn malformed_tokens_are_refused_in_the_words_of_k3s() {
        for (text, message) in [
            (" \n", "token must not be empty"),
            ("K10abc::server:x", "invalid token CA hash length"),
            ("K10abc", "invalid token format"),
        ] {
            assert_eq!(Token::parse(text, "node").unwrap_err().to_string(), message);
        }
    }
}
