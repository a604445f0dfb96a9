//! Bearer tokens as registries ask for them (distribution-spec and the Docker token protocol).

use std::io;

use airlock::oci::digest::Digest;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use serde_json::json;

use super::answer;

/// Issues and checks tokens for one user. A token is a digest of the credentials and what it is good for,
/// so there is nothing to remember.
pub struct Tokens {
    credentials: String,
}

impl Tokens {
    /// For the one user whose `name:password` is given.
    pub fn new(credentials: &str) -> Tokens {
        Tokens { credentials: credentials.trim_end().to_owned() }
    }

    /// Whether the request may pull from `repository`.
    pub fn allows(&self, headers: &HeaderMap, repository: &str) -> bool {
        authorization(headers)
            .is_some_and(|value| value == format!("Bearer {}", self.token(&scope(repository))))
    }

    /// 401 that says where to get a token.
    pub fn challenge(&self, host: &str, repository: &str) -> io::Result<Response> {
        let mut challenge = format!("Bearer realm=\"http://{host}/token\",service=\"upstream\"");
        if !repository.is_empty() {
            challenge += &format!(",scope=\"{}\"", scope(repository));
        }
        let answer = Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(header::WWW_AUTHENTICATE, challenge)
            .header(header::CONTENT_TYPE, "application/json");
        let body = json!({"errors": [{"code": "UNAUTHORIZED", "message": "a token is required"}]});
        answer.body(Body::from(body.to_string())).map_err(io::Error::other)
    }

    /// The token endpoint: basic authentication in, a token for `scope` out.
    pub fn issue(&self, headers: &HeaderMap, scope: &str) -> io::Result<Response> {
        let encoded = base64::engine::general_purpose::STANDARD.encode(&self.credentials);
        if authorization(headers).is_none_or(|value| value != format!("Basic {encoded}")) {
            return answer::json(StatusCode::UNAUTHORIZED, &json!({"errors": [{"code": "DENIED"}]}));
        }
        answer::json(StatusCode::OK, &json!({"token": self.token(scope), "expires_in": 300}))
    }

    fn token(&self, scope: &str) -> String {
        Digest::of(format!("{}\n{scope}", self.credentials).as_bytes()).hex()
    }
}

fn scope(repository: &str) -> String {
    if repository.is_empty() { String::new() } else { format!("repository:{repository}:pull") }
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}
