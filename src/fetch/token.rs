//! Tokens for registries (distribution project, "Token Authentication Specification" and "OAuth2 Token
//! Authentication"): the registry names a token service, and that wants to know who is asking.
//!
//! The registry thereby chooses who gets to see credentials, so they are sent only to a service that is
//! known to belong to it: on the same host, or in the list below (CVE-2026-48978, CVE-2026-33540). A user
//! who knows better stores credentials under the name of the service itself.

use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::authorization::{Permission, unusable};
use super::challenge::Challenge;
use super::client::Client;
use super::credentials::{self, Credentials};
use super::exchange::Request;
use super::failure::{Failure, login_help};
use super::location::{Access, Place};
use super::payload::Payload;
use super::{redirect, shown};
use crate::error::{Error, codes};
use crate::secret::Secret;

/// Registries whose token service has another name, with that name.
const TOKEN_SERVICES: &[(&str, &str)] =
    &[("registry-1.docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];
/// Most bytes of a token service's answer; tokens have a few kilobytes.
const LONGEST_ANSWER: u64 = 256 << 10;
/// Lifetime of a token that does not say (token specification).
const USUAL_LIFETIME: u64 = 60;
/// Taken off every lifetime, for clocks that differ and requests under way.
const SKEW: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

impl Client {
    /// Gets the token that `challenge` of the registry at `url` asks for.
    pub(super) async fn token(
        &self,
        url: &Url,
        access: &Access,
        challenge: &Challenge,
    ) -> Result<Permission, Failure> {
        let realm = realm(url, challenge)?;
        let credentials = self.credentials_for(&realm, url, access).await?;
        let anonymous = credentials.is_none();
        let (request, authorization) = token_request(realm, access, challenge, credentials)?;
        let asked = Instant::now();
        let answer = self.follow(&request, authorization.as_ref()).await?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(refused(access, anonymous)),
            _ => return Err(answer.refusal().await),
        }
        let bytes = answer.bytes(LONGEST_ANSWER).await?.map(Secret::new);
        read_answer(&request.url, bytes.as_ref(), asked)
    }

    /// The credentials that may be shown to the token service at `realm`.
    async fn credentials_for(
        &self,
        realm: &Url,
        registry: &Url,
        access: &Access,
    ) -> Result<Option<Credentials>, Failure> {
        if belongs_to(realm, registry) {
            return self.credentials(&access.host, &access.repository).await;
        }
        let service = shown::authority(realm);
        let own = self.credentials(&service, "").await?;
        if own.is_none() && self.credentials(&access.host, &access.repository).await?.is_some() {
            return Err(foreign_service(&access.host, &service));
        }
        Ok(own)
    }
}

/// The address of the token service, if it is one that may be talked to at all.
fn realm(registry: &Url, challenge: &Challenge) -> Result<Url, Failure> {
    let text = challenge.parameters.get("realm").map(String::as_str).unwrap_or_default();
    let realm = Url::parse(text).map_err(|_| {
        Failure::senseless(registry, format_args!("its token service `{}` is no URL", shown::printable(text)))
    })?;
    redirect::check(registry, &realm).map_err(|reason| {
        Failure::senseless(registry, format_args!("its token service is {}: {reason}", shown::url(&realm)))
    })?;
    Ok(realm)
}

fn belongs_to(realm: &Url, registry: &Url) -> bool {
    let (Some(service), Some(registry)) = (realm.host_str(), registry.host_str()) else { return false };
    service == registry || TOKEN_SERVICES.contains(&(registry, service))
}

/// The request for a token, and the header that proves who is asking.
fn token_request(
    mut realm: Url,
    access: &Access,
    challenge: &Challenge,
    credentials: Option<Credentials>,
) -> Result<(Request, Option<HeaderValue>), Failure> {
    let scopes = access.scopes(challenge.parameters.get("scope").map(String::as_str));
    let service = challenge.parameters.get("service").map(|service| ("service", service.clone()));
    if let Some(Credentials::IdentityToken(token)) = &credentials {
        let mut question = vec![("scope", scopes.join(" "))];
        question.extend(service);
        question.push(("grant_type", "refresh_token".to_owned()));
        question.push(("client_id", "airlock".to_owned()));
        question.push(("refresh_token", token.reveal().clone()));
        // A URL is the nearest thing that can encode a form.
        let mut form = Url::clone(&realm);
        form.query_pairs_mut().clear().extend_pairs(&question);
        let text = Secret::new(form.query().unwrap_or_default().to_owned());
        let request =
            Request::new(Method::POST, &Place { url: realm, access: None }).carrying(Payload::Form(text));
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        return Ok((request.with(CONTENT_TYPE, form_type), None));
    }
    realm.query_pairs_mut().extend_pairs(scopes.iter().map(|scope| ("scope", scope))).extend_pairs(service);
    let authorization = match &credentials {
        Some(Credentials::Password { username, password }) => {
            Some(credentials::basic(username, password).ok_or_else(|| unusable(&access.host))?)
        }
        _ => None,
    };
    Ok((Request::get(&Place { url: realm, access: None }), authorization))
}

fn read_answer(
    service: &Url,
    bytes: Option<&Secret<Vec<u8>>>,
    asked: Instant,
) -> Result<Permission, Failure> {
    let senseless = |what: &str| Failure::senseless(service, what);
    let bytes = bytes.ok_or_else(|| senseless("the token service answers with more than 256 KiB"))?;
    // The parser's message may quote the token.
    let answer: Answer = serde_json::from_slice(bytes.reveal())
        .map_err(|_| senseless("the token service answers with something that is no JSON of a token"))?;
    let token = Secret::new(if answer.token.is_empty() { answer.access_token } else { answer.token });
    if token.reveal().is_empty() {
        return Err(senseless("the token service answers without a token"));
    }
    let header = credentials::bearer(&token)
        .ok_or_else(|| senseless("the token service answers with a token that cannot be sent"))?;
    Ok(Permission { header, until: Some(asked + lifetime(answer.expires_in)) })
}

/// How long a token is used. Never less than half of what it says, so that short ones are of use at all.
fn lifetime(expires_in: Option<u64>) -> Duration {
    const DAY: u64 = 86_400;
    let said =
        Duration::from_secs(expires_in.filter(|&seconds| seconds > 0).unwrap_or(USUAL_LIFETIME).min(DAY));
    said.saturating_sub(SKEW).max(said / 2)
}

fn refused(access: &Access, anonymous: bool) -> Failure {
    let (host, repository) = (&access.host, &access.repository);
    let message = if anonymous {
        format!("{host} lets nobody read {repository} without a login")
    } else {
        format!("{host} does not accept the credentials stored for it")
    };
    Failure::elsewhere(Error::new(codes::FETCH_UNAUTHORIZED, message).with_help(login_help(host)))
}

fn foreign_service(host: &str, service: &str) -> Failure {
    let message = format!(
        "{host} sends its users to the token service {service}; their credentials were not sent there"
    );
    Failure::elsewhere(Error::new(codes::FETCH_REALM, message).with_help(format!(
        "if {service} really is the token service of {host}, copy the entry of `{host}` in your auth.json or \
         config.json to a further entry `{service}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_services_of_the_registry_see_its_credentials() {
        let belongs =
            |realm, registry| belongs_to(&Url::parse(realm).unwrap(), &Url::parse(registry).unwrap());
        assert!(belongs("https://auth.docker.io/token", "https://registry-1.docker.io/v2/"));
        assert!(belongs("https://lab:5001/token", "https://lab:5000/v2/"));
        assert!(!belongs("https://auth.docker.io/token", "https://lab/v2/"));
        assert!(!belongs("https://auth.docker.io.evil/token", "https://registry-1.docker.io/v2/"));
        assert!(!belongs("https://evil.lab/token", "https://lab/v2/"));
    }

    #[test]
    fn services_that_leave_tls_or_the_network_are_refused() {
        for (registry, realm) in [
            ("https://a", "http://a/token"),
            ("http://a", "http://169.254.169.254/"),
            ("http://a", "file:///x"),
            ("http://a", ""),
        ] {
            let parameters = [("realm".to_owned(), realm.to_owned())].into();
            let challenge = Challenge { scheme: "bearer".to_owned(), parameters };
            let failure = super::realm(&Url::parse(registry).unwrap(), &challenge).expect_err(realm);
            assert_eq!(failure.error.code(), codes::FETCH_ANSWER);
        }
    }

    #[test]
    fn lifetimes_leave_room_for_clocks_that_differ() {
        for (said, used) in
            [(None, 50), (Some(0), 50), (Some(300), 290), (Some(4), 2), (Some(u64::MAX), 86_390)]
        {
            assert_eq!(lifetime(said), Duration::from_secs(used));
        }
    }
}
