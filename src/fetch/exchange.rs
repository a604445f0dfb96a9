//! One request and its answer: redirects followed, permission obtained.

use std::time::SystemTime;

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::challenge;
use super::client::Client;
use super::failure::Failure;
use super::location::{Access, Place};
use super::settings::Timeouts;
use super::stall::Body;
use super::{redirect, retry};
use crate::secret::Secret;

/// Most bytes read of the body of a refusal.
const LONGEST_REFUSAL: u64 = 8 << 10;

/// A request that may be made several times.
#[derive(Clone)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// A form; it may hold an identity token.
    pub(super) body: Option<Secret<String>>,
    pub(super) access: Option<Access>,
}

impl Request {
    /// A GET of what lies at `place`.
    pub(crate) fn get(place: &Place) -> Request {
        Request {
            method: Method::GET,
            url: place.url.clone(),
            headers: HeaderMap::new(),
            body: None,
            access: place.access.clone(),
        }
    }

    /// A HEAD of what lies at `place`.
    pub(crate) fn head(place: &Place) -> Request {
        Request { method: Method::HEAD, ..Request::get(place) }
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Request {
        self.headers.insert(name, value);
        self
    }
}

/// An answer whose body is still to come.
pub(crate) struct Answer {
    response: Response,
    /// Where it finally came from.
    pub(crate) url: Url,
    timeouts: Timeouts,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// A header as text, if it is there and is text.
    pub(crate) fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        self.response.headers().get(name.as_ref())?.to_str().ok()
    }

    /// The `Content-Type` without parameters, in lower case.
    pub(crate) fn content_type(&self) -> Option<String> {
        let text = self.header(CONTENT_TYPE)?.split(';').next()?.trim().to_ascii_lowercase();
        (!text.is_empty()).then_some(text)
    }

    /// The `Content-Length`, also of an answer to HEAD.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.trim().parse().ok()
    }

    pub(super) fn body(self) -> Body {
        Body::new(self.response, self.url, self.timeouts)
    }

    /// The whole body, or none if it is longer than `most` bytes.
    pub(crate) async fn bytes(self, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        if self.content_length().is_some_and(|length| length > most) {
            return Ok(None);
        }
        self.body().whole(most).await
    }

    /// The answer itself if its status is a success, else the failure it stands for.
    pub(crate) async fn successful(self) -> Result<Answer, Failure> {
        if self.status().is_success() { Ok(self) } else { Err(self.refusal().await) }
    }

    /// What a status other than success means, with the reason the server gives.
    pub(crate) async fn refusal(self) -> Failure {
        let (status, url) = (self.status(), self.url.clone());
        let wait = retry::retry_after(self.response.headers(), SystemTime::now());
        let is_text = self.content_type().is_some_and(|kind| kind != "text/html");
        let body = if is_text { self.body().whole(LONGEST_REFUSAL).await.ok().flatten() } else { None };
        let reason = body.as_deref().and_then(reason);
        Failure::of_status(status, &url, reason.as_deref(), wait)
    }
}

/// The explanation in the body of a refusal: that of a registry (distribution-spec, "Error Codes"), of a
/// token service, or plain text.
fn reason(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        errors: Vec<Reason>,
        #[serde(alias = "error_description", alias = "message")]
        details: Option<String>,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: Option<String>,
        code: Option<String>,
    }
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
        let mut reasons = refusal.errors.into_iter().filter_map(|reason| reason.message.or(reason.code));
        return reasons.find(|text| !text.is_empty()).or(refusal.details);
    }
    let text = String::from_utf8_lossy(body).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

impl Client {
    /// Makes a request with the permission it needs. Statuses that may pass, and 407, are failures; all
    /// others, 404 for instance, are for the caller to judge.
    pub(crate) async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = match &request.access {
            Some(access) => self.exchange_with(request, access).await?,
            None => self.follow(request, None).await?,
        };
        let status = answer.status();
        let passing = status.is_server_error()
            || matches!(
                status,
                StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::PROXY_AUTHENTICATION_REQUIRED
            );
        if passing { Err(answer.refusal().await) } else { Ok(answer) }
    }

    /// Answers one challenge. A second one means that the permission is not enough, and is final.
    async fn exchange_with(&self, request: &Request, access: &Access) -> Result<Answer, Failure> {
        let known = self.authorizations().known(&request.url, access).await;
        let answer = self.follow(request, known.as_ref()).await?;
        let from_elsewhere = !redirect::same_origin(&answer.url, &request.url);
        if answer.status() != StatusCode::UNAUTHORIZED || from_elsewhere {
            return Ok(answer);
        }
        let challenges = challenge::challenges(answer.response.headers());
        let fresh = self.authorize(&request.url, access, &challenges, known.as_ref()).await?;
        let answer = self.follow(request, Some(&fresh)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Err(answer.refusal().await);
        }
        Ok(answer)
    }

    /// Makes a request and follows redirects. `authorization` goes to the origin of the request only.
    pub(super) async fn follow(
        &self,
        request: &Request,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let mut visited = vec![request.url.clone()];
        loop {
            let url = &visited[visited.len() - 1];
            let permitted = authorization.filter(|_| redirect::same_origin(url, &request.url));
            let answer = self.send(request, url, permitted).await?;
            let repeatable = matches!(request.method, Method::GET | Method::HEAD);
            if !redirect::is_redirect(answer.status()) || !repeatable {
                return Ok(answer);
            }
            let target = redirect::target(url, answer.response.headers())?;
            if visited.contains(&target) || visited.len() > redirect::MOST {
                return Err(redirect::endless(&request.url, visited.contains(&target)));
            }
            visited.push(target);
        }
    }

    async fn send(
        &self,
        request: &Request,
        url: &Url,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, Failure> {
        let client = self.transport(url).map_err(Failure::never)?;
        let mut outgoing = client
            .request(request.method.clone(), url.clone())
            .headers(request.headers.clone())
            .header(ACCEPT_ENCODING, "identity");
        if let Some(authorization) = authorization {
            outgoing = outgoing.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = &request.body {
            outgoing = outgoing.body(body.reveal().clone());
        }
        let timeouts = self.settings().timeouts;
        let response = tokio::time::timeout(timeouts.answer, outgoing.send())
            .await
            .map_err(|_| Failure::no_answer(url, timeouts.answer))?
            .map_err(|error| Failure::of_transport(error, url))?;
        Ok(Answer { response, url: url.clone(), timeouts })
    }
}
