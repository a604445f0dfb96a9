//! The way to log in: the challenge, and the endpoint it points to (distribution, "Token Authentication").

use std::time::Instant;

use hyper::{StatusCode, header};
use serde_json::json;

use super::access::{Access, NotAllowed, PASS_SECONDS};
use super::answer::{self, Result};
use super::client::Client;
use super::refusal::{Reason, Refusal};
use super::route::{Action, Request};
use super::service::{Asked, Inner};

/// The name of the service that clients send back to us.
const SERVICE: &str = "airlock";

/// Answers `/token`.
pub(super) fn token(inner: &Inner, asked: &Asked) -> Result {
    let authorization = asked.header(header::AUTHORIZATION);
    let pass = inner.settings.access.pass(authorization, Instant::now());
    let pass = pass.map_err(|NotAllowed| {
        Refusal::new(Reason::Unauthorized, "the password is not one of the tokens of this registry")
            .with_header(header::WWW_AUTHENTICATE, &format!("Basic realm=\"{SERVICE}\""))
    })?;
    let body = json!({"token": pass, "access_token": pass, "expires_in": PASS_SECONDS}).to_string();
    let answered = answer::typed(StatusCode::OK, "application/json", body);
    Ok(answer::with(answered, header::CACHE_CONTROL, "no-store"))
}

/// The refusal that tells a client where to log in.
pub(super) fn refusal(access: &Access, client: &Client, request: &Request, asked: &Asked) -> Refusal {
    let message = match access.has_tokens() {
        true => "log in with one of the tokens of this registry as password",
        false => "this registry takes changes over its unix socket only",
    };
    let refusal = Refusal::new(Reason::Unauthorized, message);
    refusal.with_header(header::WWW_AUTHENTICATE, &challenge(client, request, asked.header(header::HOST)))
}

fn challenge(client: &Client, request: &Request, host: Option<&str>) -> String {
    let Some(host) = host.filter(|host| is_host(host)) else { return format!("Basic realm=\"{SERVICE}\"") };
    let scope = request.repository().map(|repository| {
        let actions = match request.action() {
            Action::Open | Action::Pull => "pull",
            Action::Push => "pull,push",
            Action::Delete => "delete",
        };
        format!(",scope=\"repository:{}:{actions}\"", repository.path)
    });
    let scope = scope.unwrap_or_default();
    format!("Bearer realm=\"{}://{host}/token\",service=\"{SERVICE}\"{scope}", client.scheme())
}

/// What may stand between quotation marks in a header without surprises.
fn is_host(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'[' | b']');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_leads_back_to_where_the_client_came_from() {
        let parse = |method: &str, path| Request::parse(&method.parse().unwrap(), path, None).unwrap();
        let push = parse("POST", "/v2/a/b/blobs/uploads/");
        let client = Client::remote(([192, 0, 2, 1], 4).into(), true);
        let expected =
            r#"Bearer realm="https://reg.lab:5000/token",service="airlock",scope="repository:a/b:pull,push""#;
        assert_eq!(challenge(&client, &push, Some("reg.lab:5000")), expected);
        let plain = Client::remote(([192, 0, 2, 1], 4).into(), false);
        let expected = r#"Bearer realm="http://[::1]:5000/token",service="airlock""#;
        assert_eq!(challenge(&plain, &parse("GET", "/v2/"), Some("[::1]:5000")), expected);
        for host in [None, Some(""), Some("a\"b"), Some("a/b"), Some("user@host")] {
            assert_eq!(challenge(&plain, &push, host), "Basic realm=\"airlock\"");
        }
    }
}
