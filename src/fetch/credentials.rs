//! User names and passwords for registries, and where they come from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::error::Result;
use crate::secret::Secret;

/// Proof of who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// User name and password (RFC 7617).
    Password {
        /// The user name.
        username: String,
        /// The password, or a token used in its place.
        password: Secret<String>,
    },
    /// An OAuth2 refresh token that a registry handed out instead of a password.
    IdentityToken(Secret<String>),
}

/// Knows the credentials of hosts. They are sent to that host only, and to a token service that belongs to it.
pub trait CredentialSource: Send + Sync {
    /// The credentials for `host` (with port, unless it is the usual one; `docker.io` for Docker Hub) and,
    /// where the source tells repositories apart, for `repository` on it. None means to go on anonymously.
    /// May block, for instance to ask a helper program.
    ///
    /// # Errors
    /// When there should be credentials but they cannot be had; the request is then not made at all.
    fn credentials(&self, host: &str, repository: &str) -> Result<Option<Credentials>>;
}

/// Knows nobody: everything is fetched anonymously.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCredentials;

impl CredentialSource for NoCredentials {
    fn credentials(&self, _host: &str, _repository: &str) -> Result<Option<Credentials>> {
        Ok(None)
    }
}

/// The `Authorization` header of HTTP Basic authentication; none if it would not be a valid header.
pub(super) fn basic(username: &str, password: &Secret<String>) -> Option<HeaderValue> {
    let pair = Secret::new(format!("{username}:{}", password.reveal()));
    let header = Secret::new(format!("Basic {}", STANDARD.encode(pair.reveal())));
    sensitive(header.reveal())
}

/// The `Authorization` header for a token; none if the token cannot stand in a header.
pub(super) fn bearer(token: &Secret<String>) -> Option<HeaderValue> {
    sensitive(Secret::new(format!("Bearer {}", token.reveal())).reveal())
}

/// A header value that the HTTP library neither prints nor compresses.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_carry_the_secret_and_do_not_print_it() {
        let value = basic("Aladdin", &Secret::new("open sesame".to_owned())).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{value:?}").contains("QWxh"));
        assert!(bearer(&Secret::new("a\nb".to_owned())).is_none());
    }
}
