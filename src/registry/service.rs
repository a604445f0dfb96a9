//! From a request to an answer: who may do it, who does it, and what is said about it.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Response, StatusCode};

use super::access::{Access, NotAllowed};
use super::activity::Activity;
use super::answer::{self, Answer, Result};
use super::body::{Body, Buffers, Observed};
use super::check::Checks;
use super::client::Client;
use super::deadline::Deadlines;
use super::direct::{Lane, Places};
use super::metrics::Metrics;
use super::refusal::{Reason, Refusal};
use super::route::{Action, Kind, Request};
use super::upstream::{self, Upstreams};
use super::{bundles, challenge, discover, failure, manage, pull, push, scrub};
use crate::error::{Error, codes};
use crate::progress::{Event, Progress, Served};
use crate::store::{Content, Store};

/// What the server serves, to whom, and how.
pub struct Settings {
    /// What can be pulled.
    pub content: Arc<dyn Content>,
    /// Where pushes go; without it there are none.
    pub store: Option<Store>,
    /// Imported bundles: their manifests and package repositories.
    pub bundles: bundles::Shelf,
    /// Whom to ask for what the store lacks; it is kept in `store`.
    pub upstream: Option<upstream::Settings>,
    /// Who may do what.
    pub access: Access,
    /// Whether tags, manifests and blobs can be deleted.
    pub allow_delete: bool,
    /// How long clients may take.
    pub deadlines: Deadlines,
    /// Who hears about requests and damage.
    pub progress: Arc<dyn Progress>,
}

/// Answers requests. Clones are the same.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

/// What all requests share.
pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) upstream: Option<Upstreams>,
    pub(super) metrics: Metrics,
    pub(super) buffers: Buffers,
    pub(super) activity: Arc<Activity>,
    pub(super) checks: Checks,
    pub(super) sending: Places,
}

/// What a handler knows about a request besides what it asks for.
pub(super) struct Asked {
    pub(super) head: bool,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    pub(super) lane: Option<Lane>,
}

impl Asked {
    /// The value of a header, if it has one that is text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Registry {
    /// A registry that serves what `settings` say.
    pub fn new(settings: Settings) -> Registry {
        Registry(Arc::new(Inner::new(settings)))
    }

    /// Verifies blobs that nobody has asked for yet, at most so many bytes a second and only while nobody is
    /// served, until [`Registry::stop_background`].
    ///
    /// # Errors
    /// [`codes::INTERNAL`] if there can be no thread for it.
    pub fn verify_in_background(&self, bytes_per_second: u64) -> crate::error::Result<()> {
        let inner = self.0.clone();
        let thread = std::thread::Builder::new().name("verify".to_owned());
        let spawned = thread.spawn(move || scrub::run(&inner, bytes_per_second)).map(drop);
        spawned.map_err(|error| Error::new(codes::INTERNAL, "no thread can be made").with_source(error))
    }

    /// Ends what is done in the background.
    pub fn stop_background(&self) {
        self.0.activity.stop();
    }

    /// The numbers about its work.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// A lane for a new connection over plain TCP.
    pub fn lane(&self) -> Lane {
        Lane::new(&self.0.sending)
    }

    /// Whoever hears about the work.
    pub fn progress(&self) -> &dyn Progress {
        &*self.0.settings.progress
    }

    /// How long clients may take.
    pub fn deadlines(&self) -> Deadlines {
        self.0.settings.deadlines
    }

    /// Answers one request of `client`; a [`Lane`] among its extensions may be used. Its body tells metrics and log when it has been sent.
    pub async fn answer(
        &self,
        client: Arc<Client>,
        request: hyper::Request<Incoming>,
    ) -> Response<Observed<impl FnMut(u64, Option<&Error>) + Unpin + use<>>> {
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let parsed = Request::parse(&parts.method, parts.uri.path(), parts.uri.query());
        let kind = parsed.as_ref().map_or(Kind::Unknown, Request::kind);
        let target = loggable(&parts.uri, kind);
        // Probes come every few seconds and say nothing.
        let is_probe = matches!(kind, Kind::Health | Kind::Metrics);
        let busy = (!is_probe).then(|| self.0.activity.request());
        let head = parts.method == Method::HEAD;
        let lane = parts.extensions.get().cloned();
        let asked = Asked { head, headers: parts.headers, body, lane };
        let result = match parsed {
            Ok(request) => self.0.answer(&client, request, asked).await,
            Err(refusal) => Err(refusal),
        };
        let answered = result.unwrap_or_else(|refusal| answer::refused(&refusal));
        let answered = answer::with(answered, answer::API_VERSION, "registry/2.0");
        let answered = if head { answer::without_body(answered) } else { answered };
        let status = answered.status().as_u16();
        let inner = self.0.clone();
        let tell = move |bytes: u64, error: Option<&Error>| {
            let _until_dropped = &busy;
            let elapsed = start.elapsed();
            inner.metrics.answered(kind, status, elapsed);
            inner.metrics.sent(bytes);
            if let Some(error) = error {
                failure::report(&inner, error);
            }
            if !is_probe {
                let method = parts.method.as_str();
                let served =
                    Served { client: client.name(), method, target: &target, status, bytes, elapsed };
                inner.settings.progress.event(Event::Served(&served));
            }
        };
        answered.map(|body: Body| Observed::new(body, tell))
    }
}

impl Inner {
    pub(super) fn new(mut settings: Settings) -> Inner {
        let upstream = settings.upstream.take().map(Upstreams::new);
        Inner {
            settings,
            upstream,
            metrics: Metrics::default(),
            buffers: Buffers::default(),
            activity: Arc::default(),
            checks: Checks::default(),
            sending: Places::default(),
        }
    }

    async fn answer(self: &Arc<Self>, client: &Client, request: Request, asked: Asked) -> Result {
        self.check_access(client, &request, &asked)?;
        match request {
            Request::Ping => Ok(answer::typed(StatusCode::OK, "application/json", "{}")),
            Request::Blob(repository, digest) => pull::blob(self, repository, digest, &asked).await,
            Request::AnyBlob(digest) => pull::any_blob(self, digest, &asked).await,
            Request::Manifest(repository, reference) => {
                pull::manifest(self, repository, reference, &asked).await
            }
            Request::StartUpload(repository, start) => push::start(self, repository, start, asked).await,
            Request::AppendUpload(repository, id) => push::append(self, repository, id, asked).await,
            Request::FinishUpload(repository, id, digest) => {
                push::finish(self, repository, id, digest, asked).await
            }
            Request::UploadStatus(repository, id) => push::status(self, repository, id).await,
            Request::CancelUpload(repository, id) => push::cancel(self, repository, id).await,
            Request::PutManifest(repository, reference, tags) => {
                push::manifest(self, repository, reference, tags, asked).await
            }
            Request::Tags(repository, page) => discover::tags(self, repository, page).await,
            Request::Referrers(repository, digest, artifact_type) => {
                discover::referrers(self, repository, digest, artifact_type).await
            }
            Request::Catalogue(page) => discover::catalogue(self, page).await,
            Request::DeleteManifest(repository, reference) => {
                manage::delete_manifest(self, repository, reference).await
            }
            Request::DeleteBlob(repository, digest) => manage::delete_blob(self, repository, digest).await,
            Request::Token => challenge::token(self, &asked),
            Request::BundleManifest(digest) => bundles::manifest(self, digest, &asked).await,
            Request::BundleSignatures(digest) => bundles::signatures(self, digest).await,
            Request::Apt(target, path) => bundles::apt(self, target, path, &asked).await,
            Request::Health => Ok(answer::typed(StatusCode::OK, "text/plain", "ok\n")),
            Request::Metrics => self.metrics_answer().await,
        }
    }

    fn check_access(&self, client: &Client, request: &Request, asked: &Asked) -> Result<()> {
        let action = request.action();
        if action == Action::Delete && !self.settings.allow_delete {
            return Err(Refusal::new(Reason::Unsupported, "nothing can be deleted here")
                .with_header(header::ALLOW, "GET, HEAD"));
        }
        if client.is_local() {
            return Ok(());
        }
        let access = &self.settings.access;
        let authorization = asked.header(header::AUTHORIZATION);
        let ping = matches!(request, Request::Ping) && access.has_tokens();
        // Clients learn at `/v2/` how to log in, and whether their password is right: without credentials the
        // answer there is the challenge. An anonymous pass is among the credentials.
        let allowed = match (ping, authorization) {
            (true, None) => Err(NotAllowed),
            (true, Some(_)) => access.rights(authorization, Instant::now()).map(drop),
            (false, _) => access.check(authorization, action, Instant::now()),
        };
        allowed.map_err(|NotAllowed| challenge::refusal(access, client, request, asked))
    }

    async fn metrics_answer(self: &Arc<Self>) -> Result {
        let level = self
            .blocking(|inner| Ok(inner.settings.store.as_ref().map(super::level::of).unwrap_or_default()))
            .await?;
        let text = self.metrics.text(level);
        Ok(answer::typed(StatusCode::OK, "text/plain; version=0.0.4", text))
    }

    /// Runs work that waits for the disk where it holds nobody up.
    pub(super) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Inner>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = self.clone();
        let joined = tokio::task::spawn_blocking(move || work(&inner)).await;
        joined.unwrap_or_else(|_| Err(Refusal::new(Reason::Unknown, "the registry has made a mistake")))
    }

    /// The store that pushes go to.
    pub(super) fn store(&self) -> Result<&Store> {
        self.settings.store.as_ref().ok_or_else(|| {
            Refusal::new(
                Reason::Unsupported,
                "this registry serves a bundle as it lies; nothing can be pushed to it",
            )
        })
    }
}

/// What of the address of a request goes into the log. Clients that log in may put secrets behind the `?`, and so
/// may anybody who asks for something that we do not know.
fn loggable(uri: &hyper::Uri, kind: Kind) -> String {
    match (kind, uri.path_and_query()) {
        (Kind::Token | Kind::Unknown, _) | (_, None) => uri.path().to_owned(),
        (_, Some(target)) => target.to_string(),
    }
}

/// What a handler answers when there is nothing to say but that it was done.
pub(super) fn accepted() -> Answer {
    answer::empty(StatusCode::ACCEPTED)
}
