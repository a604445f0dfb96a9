//! One request and its answer: redirects followed, permission obtained.

use std::time::{Duration, SystemTime};

use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION,
};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::challenge;
use super::client::Client;
use super::failure::Failure;
use super::location::{Access, Place};
use super::payload::{self, Payload, Unsent};
use super::settings::Timeouts;
use super::stall::Body;
use super::{redirect, retry};

/// Most bytes read of the body of a refusal.
const LONGEST_REFUSAL: u64 = 8 << 10;

/// A request that may be made several times.
#[derive(Clone)]
pub(crate) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Option<Payload>,
    pub(super) access: Option<Access>,
}

impl Request {
    /// A request of this method to `place`, without a body.
    pub(crate) fn new(method: Method, place: &Place) -> Request {
        Request {
            method,
            url: place.url.clone(),
            headers: HeaderMap::new(),
            payload: None,
            access: place.access.clone(),
        }
    }

    /// A GET of what lies at `place`.
    pub(crate) fn get(place: &Place) -> Request {
        Request::new(Method::GET, place)
    }

    /// A HEAD of what lies at `place`.
    pub(crate) fn head(place: &Place) -> Request {
        Request::new(Method::HEAD, place)
    }

    /// The same with something to carry.
    pub(crate) fn carrying(self, payload: Payload) -> Request {
        Request { payload: Some(payload), ..self }
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
        let Refused { status, url, reason, wait, .. } = self.refused().await;
        Failure::of_status(status, &url, reason.as_deref(), wait)
    }

    /// What the server says about a status other than success, for those who know better what that means.
    pub(crate) async fn refused(self) -> Refused {
        let (status, url) = (self.status(), self.url.clone());
        let wait = retry::retry_after(self.response.headers(), SystemTime::now());
        let is_text = self.content_type().is_some_and(|kind| kind != "text/html");
        let body = if is_text { self.body().whole(LONGEST_REFUSAL).await.ok().flatten() } else { None };
        let (code, reason) = body.as_deref().map(reason).unwrap_or_default();
        Refused { status, url, code, reason, wait }
    }

    /// Where an upload goes on (distribution-spec, "Pushing blobs"), if the answer says so. Registries behind a
    /// proxy that ends TLS often name themselves without it; then it is the way we came that counts.
    pub(crate) fn next_place(&self, access: Option<&Access>) -> Result<Option<Place>, Failure> {
        let headers = self.response.headers();
        if headers.get(LOCATION).is_none() {
            return Ok(None);
        }
        let url = redirect::next(&self.url, headers)?;
        // A foreign server gets the bytes, as in uploads to object storage, and never a permission.
        let access = access.filter(|_| redirect::same_origin(&url, &self.url)).cloned();
        Ok(Some(Place { url, access }))
    }
}

/// A refusal and what the server says about it.
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) url: Url,
    /// The code of a registry, such as `DENIED`.
    pub(crate) code: Option<String>,
    /// Its explanation; as foreign as text can be.
    pub(crate) reason: Option<String>,
    /// When it wants to be asked again.
    pub(crate) wait: Option<Duration>,
}

/// Code and explanation in the body of a refusal: those of a registry (distribution-spec, "Error Codes"), of a
/// token service, or plain text.
fn reason(body: &[u8]) -> (Option<String>, Option<String>) {
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
        let said = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let first = refusal.errors.into_iter().find(|reason| said(&reason.message) || said(&reason.code));
        let Some(Reason { message, code }) = first else { return (None, refusal.details) };
        return (code.clone(), message.filter(|text| !text.is_empty()).or(code));
    }
    let text = String::from_utf8_lossy(body).trim().to_owned();
    (None, (!text.is_empty()).then_some(text))
}

impl Client {
    /// Makes a request with the permission it needs. Statuses that may pass, and 407, are failures; all
    /// others, 404 for instance, are for the caller to judge.
    pub(crate) async fn exchange(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.ask(request).await?;
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

    /// Makes a request with the permission it needs. Whatever the answer, it is for the caller to judge.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer, Failure> {
        match &request.access {
            Some(access) => self.exchange_with(request, access).await,
            None => self.follow(request, None).await,
        }
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
        let timeouts = self.settings().timeouts;
        let sent = match &request.payload {
            None => payload::sent(outgoing, None, timeouts).await,
            Some(payload) => payload.send(outgoing, timeouts).await,
        };
        let response = sent.map_err(|unsent| match unsent {
            Unsent::NoAnswer(waited) => Failure::no_answer(url, waited),
            Unsent::Stalled(taken) => Failure::not_taken(url, taken, timeouts.stall),
            Unsent::Broken(error) => Failure::of_transport(error, url),
        })?;
        Ok(Answer { response, url: url.clone(), timeouts })
    }
}
